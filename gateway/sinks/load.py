"""A batch of the spool on its way to a server, in as many requests as it takes."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import overload

from sitewarden.gateway.spool.blocks import Batch


class Whole(Sequence[bytes]):
    """The lines of a batch, which are split only if somebody looks at one of them."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch

    @cached_property
    def body(self) -> bytes:
        """With line breaks between them."""
        return b"\n".join(block.body for block in self._batch.blocks)

    def __len__(self) -> int:
        return self._batch.count

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._lines)

    @overload
    def __getitem__(self, at: int) -> bytes: ...

    @overload
    def __getitem__(self, at: slice) -> Sequence[bytes]: ...

    def __getitem__(self, at: int | slice) -> bytes | Sequence[bytes]:
        return self._lines[at]

    @cached_property
    def _lines(self) -> list[bytes]:
        return [line for block in self._batch.blocks for line in block.lines]


class Load:
    """What of a batch is still to be sent, in order. It stays when a server goes away, so that only the
    request nobody knows about is sent twice.

    A bad line is found by halving: while there is known to be one before `_bad`, no request goes beyond
    the middle between here and there.
    """

    def __init__(self, batch: Batch, lines: Sequence[bytes]) -> None:
        self.batch, self._lines = batch, lines
        self._at = 0
        self._bad = 0  # a line before this one is bad; not beyond `_at`: none is known
        self.failures = 0  # in a row
        self.failed_at = 0.0  # the last of them
        self.alone = 0  # failures of the next line alone, while others were taken

    @property
    def left(self) -> int:
        return len(self._lines) - self._at

    def next(self, most: int) -> Sequence[bytes]:
        if self._bad > self._at:
            most = min(most, max((self._bad - self._at) // 2, 1))
        if self._at == 0 and len(self._lines) <= most:
            return self._lines
        return self._lines[self._at : self._at + most]

    def passed(self, lines: int) -> None:
        """So many are done with, one way or another."""
        self._at += lines
        self.failures = self.alone = 0

    def failed(self, lines: int, now: float, others: bool) -> None:
        """To send the next `lines`; `others`: some were taken since the last failure."""
        self.failures += 1
        self.failed_at = now
        if lines == 1 and others:
            self.alone += 1

    def gave_up(self) -> None:
        """The next line is never taken. Those like it need not fail as often."""
        self._at += 1

    def bad(self, lines: int) -> None:
        """There is one among the next `lines`."""
        self._bad = self._at + lines
