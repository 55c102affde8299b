"""What the broker retains of ours, topic by topic. No topic goes back in time."""

from collections.abc import Iterable
from dataclasses import replace

from sitewarden.gateway.sinks.mqtt.topics import Topic


class Retained:
    """Remembers what the broker heard last, and apart from it what it may not have heard: after a failure
    `stand` says all again, and what was only on its way is news once more."""

    def __init__(self, present: Iterable[Topic]) -> None:
        self._latest = {each.name: each for each in present}
        self._saying: dict[str, Topic] = {}

    def is_news(self, topic: Topic, now: int) -> bool:
        """Whether the topic is to say so from now on; otherwise something newer stands there already.

        An instant beyond `now` (ns) is one that the clock has taken back since.
        """
        known = self._saying.get(topic.name, self._latest.get(topic.name))
        if known and topic.ns <= known.ns <= now:
            return False
        self._saying[topic.name] = replace(topic, body=None) if topic.over else topic
        return True

    def heard(self) -> None:
        """The broker has acknowledged all that was news."""
        self._latest |= self._saying
        self._saying.clear()

    def stand(self, present: Iterable[Topic], since: int) -> list[Topic]:
        """All that is to be retained, so that a broker which forgot it has it: what is present, and nothing
        in place of what is no more.

        What was told and is still so stays as it was: it knows when that came about. What is present since
        `since` (ns) or later was found to be so just now, nobody knows since when: to it any change is news.
        """
        now = {each.name: self._older(each) for each in present}
        said = {name: replace(each, ns=0) for name, each in self._saying.items()} | self._latest
        gone = {name: replace(each, body=None) for name, each in said.items() if name not in now}
        self._saying.clear()
        stands = [*gone.values(), *now.values()]
        self._latest = {each.name: each if each.ns < since else replace(each, ns=0) for each in stands}
        return stands

    def _older(self, present: Topic) -> Topic:
        known = self._latest.get(present.name)
        return known if known and known.body == present.body and known.ns >= present.ns else present
