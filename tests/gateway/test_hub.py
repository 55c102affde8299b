"""The fan-out: bounded, counted, and never in the way."""

import threading
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from sitewarden.gateway.hub import Hub
from sitewarden.rules.model import LinkChanged, Reading, Stamp

AT = Stamp(datetime(2026, 3, 1, tzinfo=UTC), 1.0)


def readings(first: int, count: int) -> list[Reading]:
    return [Reading("tank.level", n, AT) for n in range(first, first + count)]


def test_each_listener_hears_what_it_wanted() -> None:
    hub = Hub()
    by_type = hub.subscribe("links", 10, {LinkChanged})
    by_test = hub.subscribe("big", 10, lambda effect: isinstance(effect, Reading) and effect.value == 2)
    hub.publish([*readings(0, 4), LinkChanged("pump-1", True, AT)])
    assert by_type.take(0) == [LinkChanged("pump-1", True, AT)]
    assert by_test.take(0) == readings(2, 1)
    assert by_type.take(0) == []


@given(st.lists(st.integers(0, 7), max_size=20), st.integers(1, 10))
def test_the_oldest_make_room_and_are_counted(sizes: list[int], capacity: int) -> None:
    hub = Hub()
    slow = hub.subscribe("slow", capacity, {Reading})
    total = 0
    for size in sizes:
        hub.publish(readings(total, size))
        total += size
    assert slow.depth + slow.dropped == total
    left = slow.take(0)
    assert left == readings(total - len(left), len(left))
    assert len(left) == min(capacity, total)


def test_taking_waits_for_enough() -> None:
    hub = Hub()
    subscription = hub.subscribe("writer", 100, {Reading})
    hub.publish(readings(0, 2))
    publisher = threading.Timer(0.05, lambda: hub.publish(readings(2, 3)))
    publisher.start()
    assert subscription.take(10.0, at_least=5) == readings(0, 5)
    publisher.join()
    hub.publish(readings(5, 1))
    assert subscription.take(0.02, at_least=5) == readings(5, 1)


def test_closing_wakes_the_taker_and_leaves_the_hub() -> None:
    hub = Hub()
    subscription = hub.subscribe("page", 10, {Reading})
    closer = threading.Timer(0.05, subscription.close)
    closer.start()
    assert subscription.take(None) == []
    closer.join()
    hub.publish(readings(0, 1))
    assert (subscription.closed, subscription.depth, hub.subscriptions) == (True, 0, ())


def test_a_listener_is_notified_once_for_an_empty_queue() -> None:
    hub = Hub()
    calls: list[int] = []
    subscription = hub.subscribe("loop", 10, {Reading}, lambda: calls.append(subscription.depth))
    hub.publish(readings(0, 2))
    hub.publish(readings(2, 2))
    assert calls == [2]
    subscription.take(0)
    hub.publish(readings(4, 1))
    assert calls == [2, 1]
