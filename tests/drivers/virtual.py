"""A Modbus bus in virtual time, against a slave that pymodbus answers for."""

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count

from pymodbus.framer import FramerBase, FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU, ExceptionResponse, ModbusPDU
from pymodbus.pdu.bit_message import (
    ReadCoilsResponse,
    ReadDiscreteInputsResponse,
    WriteMultipleCoilsResponse,
    WriteSingleCoilResponse,
)
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersResponse,
    ReadInputRegistersResponse,
    WriteMultipleRegistersResponse,
    WriteSingleRegisterResponse,
)

from sitewarden.drivers.base import Output
from sitewarden.drivers.modbus.bus import Bus
from sitewarden.drivers.modbus.pace import SILENCE_FAST, Pace, rtu
from sitewarden.drivers.modbus.points import Kind, Point, Profile, Table, Unit
from sitewarden.drivers.modbus.wire import LATE_BY_NETWORK, Rtu, Tcp
from sitewarden.rules.model import Command, Do, Event, LinkChanged, Reading, Reason, Stamp

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
TURNAROUND = 0.005

Tables = dict[Table, dict[int, int]]
Wire = Callable[[bytes, bytes], Iterable[tuple[float, bytes]]]
"""What becomes of an answer: (request, answer) -> pieces, each with its delay in s."""


def bus(units: Sequence[Unit], tcp: bool = False, baud: int | None = 9600, window: int = 1) -> Bus:
    return Bus("bus", Tcp(window=window) if tcp else line(baud), units)


def line(baud: int | None = 9600) -> Rtu:
    """With the standard's characters of 11 bits; None: behind a serial server."""
    return Rtu(rtu(11 / baud, baud)) if baud else Rtu(Pace(silence=SILENCE_FAST), LATE_BY_NETWORK)


def stamp(mono: float) -> Stamp:
    return Stamp(EPOCH + timedelta(seconds=mono), mono)


def promptly(request: bytes, answer: bytes) -> Iterable[tuple[float, bytes]]:
    return [(TURNAROUND, answer)]


class Slave:
    """All the units of a bus: `tables[unit_id][table][address]`; an address that is missing is illegal."""

    def __init__(self, tables: dict[int, Tables], tcp: bool) -> None:
        self.tables = tables
        self.tcp = tcp
        self.dead: set[int] = set()
        self.refuses: dict[int, int] = {}  # function code -> exception code
        decoder = DecodePDU(is_server=True)
        self._framer: FramerBase = FramerSocket(decoder) if tcp else FramerRTU(decoder)

    def answer(self, frame: bytes) -> bytes | None:
        used, request = self._framer.handleFrame(frame, 0, 0)
        assert request, f"not a request: {frame.hex()}"
        assert used == len(frame)
        if request.dev_id in self.dead or request.dev_id not in self.tables:
            return None
        answer = self._answer(request)
        answer.dev_id, answer.transaction_id = request.dev_id, request.transaction_id
        return self._framer.buildFrame(answer)

    def _answer(self, request: ModbusPDU) -> ModbusPDU:
        tables, code, first = self.tables[request.dev_id], request.function_code, request.address
        if code in self.refuses:
            return ExceptionResponse(code, self.refuses[code])
        table = {
            2: Table.DISCRETE,
            3: Table.HOLDING,
            4: Table.INPUT,
            6: Table.HOLDING,
            16: Table.HOLDING,
        }.get(code, Table.COIL)
        cells = tables.get(table, {})
        number = 1 if code in (5, 6) else request.count
        if any(address not in cells for address in range(first, first + number)):
            return ExceptionResponse(code, 2)
        values = [cells[address] for address in range(first, first + number)]
        match code:
            case 1:
                return ReadCoilsResponse(bits=[bool(value) for value in values])
            case 2:
                return ReadDiscreteInputsResponse(bits=[bool(value) for value in values])
            case 3:
                return ReadHoldingRegistersResponse(registers=values)
            case 4:
                return ReadInputRegistersResponse(registers=values)
        written = [int(bit) for bit in request.bits] if table is Table.COIL else request.registers
        cells.update(zip(range(first, first + number), written, strict=True))
        match code:
            case 5:
                return WriteSingleCoilResponse(address=first, bits=request.bits)
            case 6:
                return WriteSingleRegisterResponse(address=first, registers=request.registers)
            case 15:
                return WriteMultipleCoilsResponse(address=first, count=number)
            case _:
                return WriteMultipleRegistersResponse(address=first, count=number)


class Virtual:
    """Runs the bus against the slave; `events` is what it said, `sent` what it put on the wire, and when."""

    def __init__(self, bus: Bus, slave: Slave, wire: Wire = promptly) -> None:
        self.bus, self.slave, self.wire = bus, slave, wire
        self.now = 100.0
        self.events: list[Event] = []
        self.sent: list[tuple[float, bytes]] = []
        self._coming: list[tuple[float, int, bytes]] = []
        self._numbers = count()
        self.take(bus.connected(stamp(self.now)))

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        turns = 0
        while (due := min(self._next(), end)) < end:
            turns = turns + 1 if due <= self.now else 0
            assert turns < 50, "the bus asks to be woken again and again"
            self.now = max(self.now, due)
            if self._coming and self._coming[0][0] <= self.now:
                data = heapq.heappop(self._coming)[2]
                self.take(self.bus.received(data, stamp(self.now)))
            else:
                self.take(self.bus.woken(stamp(self.now)))
        self.now = end

    def arrive(self, data: bytes, delay: float = 0.0) -> None:
        heapq.heappush(self._coming, (self.now + delay, next(self._numbers), data))

    def command(self, output: str, do: Do, seconds: float = 0.0, device: str = "io") -> None:
        self.take(self.bus.command(Command(device, output, do, seconds), stamp(self.now)))

    def lost(self) -> None:
        self._coming.clear()
        self.take(self.bus.lost(stamp(self.now), Reason.LINK_DOWN))

    def connected(self) -> None:
        self.take(self.bus.connected(stamp(self.now)))

    def take(self, outputs: Iterable[Output]) -> None:
        for output in outputs:
            if not isinstance(output, bytes):
                self.events.append(output)
                continue
            self.sent.append((self.now, output))
            if answer := self.slave.answer(output):
                for delay, piece in self.wire(output, answer):
                    self.arrive(piece, delay)

    def readings(self, point: str = "") -> list[Reading]:
        return [event for event in self.events if isinstance(event, Reading) and point in ("", event.point)]

    def links(self) -> list[LinkChanged]:
        return [event for event in self.events if isinstance(event, LinkChanged)]

    def requests(self, unit_id: int, function: int | None = None) -> list[float]:
        """When this unit was asked."""
        at = 6 if self.slave.tcp else 0
        return [
            when for when, frame in self.sent if frame[at] == unit_id and function in (None, frame[at + 1])
        ]

    def _next(self) -> float:
        wake = self.bus.wake_at
        return min(
            self._coming[0][0] if self._coming else float("inf"), float("inf") if wake is None else wake
        )


def register(name: str, address: int, table: Table = Table.HOLDING, scan: str = "normal") -> Point:
    return Point(name, table, address, Kind.U16, scan=scan)


def coil(name: str, address: int) -> Point:
    return Point(name, Table.COIL, address, Kind.BOOL, scan="fast", writable=True)


def unit(device: str, unit_id: int, *points: Point, **options: float | int) -> Unit:
    return Unit(device, unit_id, Profile(device, points), **options)  # type: ignore[arg-type]


def holding(values: Mapping[int, int]) -> Tables:
    return {Table.HOLDING: dict(values)}
