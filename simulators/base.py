"""The shape of a twin: the far end of one wire, sans-IO like the drivers it stands opposite."""

from collections.abc import Iterable
from typing import Protocol

from sitewarden.rules.model import Stamp


class Twin(Protocol):
    """One device (or all the devices on one bus) as seen from its wire."""

    @property
    def wake_at(self) -> float | None:
        """`Stamp.mono` at which it has something to say or do of its own accord."""
        ...

    def connected(self, at: Stamp) -> Iterable[bytes]: ...
    def received(self, data: bytes, at: Stamp) -> Iterable[bytes]: ...
    def woken(self, at: Stamp) -> Iterable[bytes]: ...
