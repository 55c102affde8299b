"""A link's section to the port it opens: which keys go together, and the files of its TLS."""

from pathlib import Path

from sitewarden.config.document import Document, Loc
from sitewarden.config.shape import LinkShape
from sitewarden.config.sink_shape import TlsShape
from sitewarden.config.tls import tls_files
from sitewarden.drivers.plan import Framing, Port, SerialPort, TcpPort, Tls

ENDS = ("serial", "tcp", "listen")
SERIAL_ONLY = frozenset({"baud", "parity", "data_bits", "stop_bits", "rs485"})
NETWORK_ONLY = frozenset({"tls", "line_baud"})
MODBUS_ONLY = frozenset({"framing", "echo", "outstanding", "line_baud", "probes"})
MODBUS_SECURITY = 802  # IANA's port of Modbus inside TLS, mbap-s


def framing(link: LinkShape) -> Framing:
    return link.framing or (Framing.RTU if link.serial is not None else Framing.TCP)


def end_of(document: Document, loc: Loc, link: LinkShape, folder: Path) -> Port | None:
    """None, and noted, if there is not just one. Files start from the folder."""
    end = link.tcp or link.listen
    if not document.exactly_one(loc, ENDS) or (link.serial is None and end is None):
        return None
    _keys(document, loc, link)
    if end is None:
        return SerialPort(
            str(folder / (link.serial or "")),
            link.baud,
            link.parity,
            link.stop_bits,
            link.rs485,
            link.data_bits,
        )
    tls = _tls(document, (*loc, "tls"), link, link.tls, folder) if link.tls else None
    number = MODBUS_SECURITY if tls and end.usual else end.port
    return TcpPort(end.host, number, link.listen is not None, tls, link.line_baud)


def _keys(document: Document, loc: Loc, link: LinkShape) -> None:
    """What the keys of one link must say together."""
    given, serial, spoken = link.model_fields_set, link.serial is not None, framing(link)
    for key in sorted(given & (NETWORK_ONLY if serial else SERIAL_ONLY)):
        where = "over TCP" if serial else "on a serial line"
        document.wrong((*loc, key), f"this key only {where}", at_key=True)
    if serial and spoken is Framing.TCP:
        document.wrong((*loc, "framing"), "'rtu' or 'ascii' on a serial line")
    if serial and spoken is Framing.RTU and link.data_bits != 8:
        document.wrong((*loc, "data_bits"), "8 with the framing 'rtu', whose bytes need them all")
    if "echo" in given and not serial and spoken is Framing.TCP:
        document.wrong((*loc, "echo"), "this key only with the framing 'rtu' or 'ascii'", at_key=True)
    if "outstanding" in given and spoken is not Framing.TCP:
        numbered = "only there an answer says which request it belongs to"
        document.wrong(
            (*loc, "outstanding"), f"this key only with the framing 'tcp': {numbered}", at_key=True
        )


def _tls(document: Document, loc: Loc, link: LinkShape, shape: TlsShape, folder: Path) -> Tls:
    if link.listen and not (shape.ca and (shape.cert or shape.key)):
        expected = "'ca', 'cert' and 'key' where a device calls: who it may be, and who we are"
        document.wrong(loc, expected, at_key=True)
    if link.listen and shape.name:
        document.wrong((*loc, "name"), "this key only with 'tcp': we check whom we call", at_key=True)
    return tls_files(document, loc, shape, folder)
