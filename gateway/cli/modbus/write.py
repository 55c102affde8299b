"""`modbus write`: coils and registers, with a look at what stands there before and afterwards."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import typer

from sitewarden.drivers.modbus import request
from sitewarden.drivers.modbus.points import Table
from sitewarden.drivers.plan import Framing
from sitewarden.gateway.cli.common import SITE, Config, Failure, Json, print_json, table
from sitewarden.gateway.cli.modbus import options
from sitewarden.gateway.cli.modbus.faults import named, told
from sitewarden.gateway.cli.modbus.master import Answer, Master, NoAnswer
from sitewarden.gateway.cli.modbus.meanings import Arrangement
from sitewarden.gateway.cli.modbus.read import Asked, reference, unpacked
from sitewarden.gateway.cli.modbus.typed import Type, coils, registers

EVERYBODY = 0


def write(
    link: options.Link,
    unit: options.Unit,
    name: options.TableName,
    address: options.Address,
    values: Annotated[
        list[str], typer.Argument(help="Numbers or texts; on and off for a coil.", metavar="VALUE…")
    ],
    kind: Annotated[
        Type, typer.Option("--type", metavar="TYPE", help=f"Of a register's value: {', '.join(Type)}.")
    ] = Type.U16,
    order: Annotated[
        Arrangement, typer.Option(metavar="ORDER", help="Of its bytes, as `modbus read` names it: CDAB, …")
    ] = Arrangement.ABCD,
    documented: options.Documented = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Json = False,
    baud: options.Baud = None,
    parity: options.ParityBit = None,
    stop_bits: options.StopBits = None,
    data_bits: options.DataBits = None,
    framing: options.Frames = None,
    echo: options.Echo = False,
    timeout: options.Timeout = None,
    config: Config = SITE,
) -> None:
    """Write coils or holding registers: shows what stands there and what would, asks, writes, reads back.

    Exit code 1 if what is read back is not what was written. Behind -- a value may begin with a minus sign.
    Unit 0 is everybody on a serial line: nobody answers, so nothing is read back.

    \b
    sitewarden modbus write bus-gate 1 coil 0 on
    sitewarden modbus write /dev/ttyUSB0 11 holding 104 5000 --documented --parity even
    sitewarden modbus write tcp://10.0.0.7:502 1 holding 20 --type f32 --order CDAB -- -21.5
    """
    line = options.resolve(
        link, config, framing=framing, baud=baud, parity=parity, stop_bits=stop_bits, data_bits=data_bits,
        echo=echo,
    )  # fmt: skip
    if as_json and not yes:
        raise typer.BadParameter("a program is not asked: with --json, --yes is expected too")
    wanted = _wanted(unit, name, address - documented, values, kind, order)
    everybody = unit == EVERYBODY and (line.framing or line.usual) is not Framing.TCP
    with line.master(timeout) as master:
        before = None if everybody else wanted.standing(master)
        if not as_json:
            print(wanted.shown(before))
            print(f"\nThe frame: {master.frame(unit, wanted.pdu).hex(' ')}")
        for known in line.points(unit, name, wanted.place.first, wanted.place.count):
            typer.echo(f"This is {known}.", err=True)
        if everybody:
            typer.echo("Unit 0: every unit on this line does it, and none answers.", err=True)
        if not yes:
            typer.confirm("Write it?", abort=True)
        if everybody:
            master.tell(wanted.pdu)
            print_json(wanted.document(None, None)) if as_json else print("Sent. Nobody answers a broadcast.")
            return
        _done(wanted, master, before, as_json)


def _wanted(
    unit: int, of: Table, first: int, values: Sequence[str], kind: Type, order: Arrangement
) -> "Wanted":
    if of not in request.MOST_WRITTEN:
        raise typer.BadParameter(f"found {of}, which can only be read; expected coil or holding")
    try:
        words = coils(values) if of is Table.COIL else registers(values, kind, order)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    if first < 0 or not 1 <= len(words) <= min(request.MOST_WRITTEN[of], options.HIGHEST + 1 - first):
        most = f"1 to {request.MOST_WRITTEN[of]} in one request, up to wire address {options.HIGHEST}"
        raise typer.BadParameter(f"found {len(words)} from {first} on, expected {most}")
    return Wanted(Asked(unit, of, first, len(words)), words)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to stand where."""

    place: Asked
    words: Sequence[int]  # registers, or coils as 0 and 1

    @property
    def pdu(self) -> bytes:
        size = 1 if self.place.table is Table.COIL else 2
        raws = [word.to_bytes(size, "big") for word in self.words]
        return request.write(self.place.unit_id, self.place.table, self.place.first, raws).pdu

    def standing(self, master: Master) -> Sequence[int] | None:
        """What is there; None: the unit lets nobody read it. Raises Failure if there is no answer."""
        answer = self.place.ask(master)
        if isinstance(answer, NoAnswer):
            raise Failure(told(self.place.unit_id, answer))
        return None if answer.exception else unpacked(self.place.table, answer.pdu[2:], self.place.count)

    def shown(self, before: Sequence[int] | None) -> str:
        of, first = self.place.table, self.place.first
        was = ["?"] * len(self.words) if before is None else [self._said(word) for word in before]
        rows = [
            (first + at, f"{first + at + 1} ({reference(of, first + at)})", was[at], self._said(word))
            for at, word in enumerate(self.words)
        ]
        return table(("wire", "documented", "now", "then"), rows)

    def _said(self, word: int) -> str:
        return ("off", "on")[word] if self.place.table is Table.COIL else f"{word:04X} = {word}"

    def document(self, before: Sequence[int] | None, after: Sequence[int] | None) -> dict[str, object]:
        return {
            "unit": self.place.unit_id,
            "table": self.place.table,
            "wire": self.place.first,
            "before": before,
            "written": self.words,
            "after": after,
            "verified": after == self.words,
        }


def _done(wanted: Wanted, master: Master, before: Sequence[int] | None, as_json: bool) -> None:
    """Writes and reads back; raises Failure if it is not so."""
    unit_id = wanted.place.unit_id
    answer = master.ask(unit_id, wanted.pdu)
    if isinstance(answer, Answer) and answer.exception:
        raise Failure(f"not written: {told(unit_id, answer)}")
    back = wanted.place.ask(master)
    after = None
    if isinstance(back, Answer) and not back.exception:
        after = unpacked(wanted.place.table, back.pdu[2:], wanted.place.count)
    if as_json:
        print_json(wanted.document(before, after))
    if after == wanted.words:
        if not as_json:
            print("Verified: it reads back as it was written.")
        return
    heard = "the unit confirmed it" if isinstance(answer, Answer) else "the unit did not answer"
    if isinstance(back, Answer) and back.exception:
        raise Failure(f"not verified: {heard}, and refuses to be read ({named(back.exception)})")
    found = "and cannot be read now" if after is None else f"and reads back:\n{wanted.shown(after)}"
    raise Failure(f"not verified: {heard}, {found}")
