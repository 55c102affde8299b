"""What stands at the end of each wire: frozen values that `config/` builds, and the drivers they become."""

from dataclasses import dataclass
from enum import StrEnum

from sitewarden.drivers.base import Driver
from sitewarden.drivers.cards.readers import READERS
from sitewarden.drivers.modbus.bus import Bus
from sitewarden.drivers.modbus.pace import NETWORK, SILENCE_FAST, Pace, ascii_line, rtu
from sitewarden.drivers.modbus.points import PROBES, Unit
from sitewarden.drivers.modbus.wire import LATE, LATE_BY_NETWORK, Ascii, Echoing, Rtu, Tcp, Wire

LINE_CHARACTER = (
    11  # bits, where nothing is said of the line: start, eight data, parity or stop, stop (V1.02, 2.5.1)
)


class Parity(StrEnum):
    NONE = "none"
    EVEN = "even"
    ODD = "odd"


@dataclass(frozen=True, slots=True)
class SerialPort:
    """A serial line. `path` may be any name of the port; /dev/serial/by-id/… survives renumbering."""

    path: str
    baud: int = 9600
    parity: Parity = Parity.NONE
    stop_bits: int = 1
    rs485: bool = False  # the kernel driver switches the transceiver's direction (TIOCSRS485)
    data_bits: int = 8  # ASCII lines often have 7

    @property
    def character(self) -> float:
        """s that one character takes: start bit, data bits, parity if any, stop bits."""
        return (1 + self.data_bits + (self.parity is not Parity.NONE) + self.stop_bits) / self.baud


@dataclass(frozen=True, slots=True)
class Tls:
    """Files in PEM. Modbus/TCP Security (MB-TCP-Security V2.1, clause 8) wants both ends to show one."""

    ca: str = ""  # who signs the device's certificate; empty: the system's authorities
    cert: str = ""  # our own certificate, with `key`; empty: we show none
    key: str = ""
    name: str = ""  # the name in the device's certificate, when it is not the host's


@dataclass(frozen=True, slots=True)
class TcpPort:
    """A TCP connection that we open, or (`listen`) that the device opens to us."""

    host: str
    port: int
    listen: bool = False
    tls: Tls | None = None
    line_baud: int | None = None  # of the serial line behind it, where it is a gateway to one


Port = SerialPort | TcpPort


class Framing(StrEnum):
    RTU = "rtu"
    ASCII = "ascii"
    TCP = "tcp"


@dataclass(frozen=True, slots=True)
class ReaderPlan:
    """One card reader alone on its line."""

    device: str
    kind: str = "rdm6300"


@dataclass(frozen=True, slots=True)
class BusPlan:
    """Modbus units on one line or behind one connection."""

    framing: Framing
    units: tuple[Unit, ...]
    echo: bool = False  # the adapter hands back what was sent
    outstanding: int = 1  # requests that may be out at once (TCP framing only)
    probes: float = PROBES  # the part of the line's time that units may take that do not answer


@dataclass(frozen=True, slots=True)
class LinkPlan:
    name: str
    port: Port
    wire: ReaderPlan | BusPlan

    @property
    def devices(self) -> tuple[str, ...]:
        match self.wire:
            case ReaderPlan(device):
                return (device,)
            case BusPlan(units=units):
                return tuple(unit.device for unit in units)


def build(link: LinkPlan) -> Driver:
    match link.wire:
        case ReaderPlan(device, kind):
            return READERS[kind].driver(device)
        case BusPlan(units=units) as bus:
            return Bus(link.name, _wire(link.port, bus), units, bus.probes)


def pace(port: Port, framing: Framing) -> Pace:
    """Of the line at this port, or of the one behind it; without a speed only the silences count."""
    if isinstance(port, SerialPort):
        character, baud = port.character, port.baud
    elif port.line_baud:
        character, baud = LINE_CHARACTER / port.line_baud, port.line_baud
    elif framing is Framing.TCP:
        return NETWORK
    else:
        return Pace(silence=SILENCE_FAST)
    return ascii_line(character) if framing is Framing.ASCII else rtu(character, baud)


def _wire(port: Port, bus: BusPlan) -> Wire:
    speed = pace(port, bus.framing)
    if bus.framing is Framing.TCP:
        return Tcp(speed, bus.outstanding)
    late = LATE if isinstance(port, SerialPort) else LATE_BY_NETWORK
    wire = Ascii(speed, late) if bus.framing is Framing.ASCII else Rtu(speed, late)
    return Echoing(wire) if bus.echo else wire
