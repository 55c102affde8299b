"""One bounded fan-out past the decision: whatever listens, slow or dead, delays nobody."""

from collections import deque
from collections.abc import Callable, Collection, Sequence
from threading import Condition, Lock

from sitewarden.rules.model import Effect, Trouble

Wanted = Collection[type] | Callable[[Effect], bool]
"""The types of effects to be told of, or a quick test of one effect."""


Report = Callable[[Trouble], None]
"""How a store or a sink tells of its own trouble, from its own thread: it must return at once."""


class Subscription:
    """The queue of one listener. When it is full the oldest effects make room, and are counted."""

    def __init__(
        self,
        name: str,
        capacity: int,
        wanted: Wanted,
        notify: Callable[[], None] | None,
        leave: Callable[["Subscription"], None],
    ) -> None:
        self.name, self.capacity = name, capacity
        self.dropped = 0
        self._wanted, self._notify, self._leave = wanted, notify, leave
        self._queue: deque[Effect] = deque(maxlen=capacity)
        self._changed = Condition()
        self._enough = 0  # effects that the waiting thread wants to be woken for; 0: nobody waits
        self._closed = False

    @property
    def depth(self) -> int:
        return len(self._queue)

    @property
    def closed(self) -> bool:
        return self._closed

    def put(self, effects: Sequence[Effect]) -> None:
        wanted = self._wanted
        if callable(wanted):
            fresh = [effect for effect in effects if wanted(effect)]
        else:
            fresh = [effect for effect in effects if type(effect) in wanted]
        if not fresh:
            return
        with self._changed:
            if self._closed:
                return
            depth = len(self._queue)
            self.dropped += max(depth + len(fresh) - self.capacity, 0)
            self._queue.extend(fresh)
            if self._enough and depth + len(fresh) >= self._enough:
                self._changed.notify()
            if depth == 0 and self._notify:
                self._notify()  # under the lock, so that nobody is notified after `close`

    def take(self, timeout: float | None, at_least: int = 1) -> list[Effect]:
        """Waits up to `timeout` s (None: for ever) for `at_least` effects; returns all there are.

        Waiting for a thousand effects or half a second is a group commit without further timers.
        """
        with self._changed:
            self._enough = min(at_least, self.capacity)
            self._changed.wait_for(lambda: self._closed or len(self._queue) >= self._enough, timeout)
            self._enough = 0
            taken = list(self._queue)
            self._queue.clear()
        return taken

    def close(self) -> None:
        """No more effects come in; a waiting `take` returns what is left."""
        self._leave(self)
        with self._changed:
            self._closed = True
            self._changed.notify_all()


class Hub:
    """`publish` is called in the main loop alone; subscriptions come and go from any thread."""

    def __init__(self) -> None:
        self._subscriptions: tuple[Subscription, ...] = ()
        self._alter = Lock()

    def publish(self, effects: Sequence[Effect]) -> None:
        for subscription in self._subscriptions:
            subscription.put(effects)

    def subscribe(
        self, name: str, capacity: int, wanted: Wanted, notify: Callable[[], None] | None = None
    ) -> Subscription:
        """`notify` is called in the publishing thread whenever something came into an empty queue."""
        subscription = Subscription(name, capacity, wanted, notify, self._leave)
        with self._alter:
            self._subscriptions = (*self._subscriptions, subscription)
        return subscription

    @property
    def subscriptions(self) -> tuple[Subscription, ...]:
        return self._subscriptions

    def _leave(self, subscription: Subscription) -> None:
        with self._alter:
            self._subscriptions = tuple(each for each in self._subscriptions if each is not subscription)
