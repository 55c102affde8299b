"""The engine with the smallest drivers there can be: a reader of one byte and a relay."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from sitewarden.drivers.base import Output
from sitewarden.drivers.engine import Commit, Engine, Publish, Send, Todo
from sitewarden.drivers.line import REBUILD_FIRST, Call, Failed, Line, Stood, Told
from sitewarden.rules.core import Core
from sitewarden.rules.model import (
    CardRead,
    Command,
    Decision,
    Direction,
    Do,
    FireKind,
    FireSignal,
    LinkChanged,
    Permit,
    PermitKind,
    Reason,
    Stamp,
    Trouble,
    Verdict,
)
from sitewarden.rules.plan import Barrier, Lane, Parking, SitePlan

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
CARD = "01000734E0"
PERMIT = Permit(CARD, PermitKind.MONTHLY, date(2026, 3, 1), date(2026, 3, 31))
PLAN = SitePlan(
    "site",
    ZoneInfo("UTC"),
    frozenset({"reader", "relay"}),
    Parking(
        (Lane("in", Direction.IN, "reader", Barrier("relay", "out1", "relay.in1")),),
    ),
)


def at(mono: float) -> Stamp:
    return Stamp(NOON + timedelta(seconds=mono), mono)


@dataclass(slots=True)
class OneByteReader:
    """Every byte is the same card; "!" is more than it can bear."""

    devices: tuple[str, ...] = ("reader",)
    wake_at: float | None = None
    counters: dict[str, object] = field(default_factory=dict)

    def connected(self, at: Stamp) -> Iterator[Output]:
        yield LinkChanged("reader", True, at)

    def received(self, data: bytes, at: Stamp) -> Iterator[Output]:
        for byte in data:
            if byte == ord("!"):
                raise RuntimeError("too much")
            yield CardRead("reader", CARD, at)

    def woken(self, at: Stamp) -> Iterator[Output]:
        yield from ()

    def command(self, command: Command, at: Stamp) -> Iterator[Output]:
        raise ValueError

    def lost(self, at: Stamp, reason: Reason) -> Iterator[Output]:
        yield LinkChanged("reader", False, at, reason)


@dataclass(slots=True)
class Relay(OneByteReader):
    devices: tuple[str, ...] = ("relay",)
    broken: list[bool] = field(default_factory=lambda: [False])

    def connected(self, at: Stamp) -> Iterator[Output]:
        yield LinkChanged("relay", True, at)

    def command(self, command: Command, at: Stamp) -> Iterator[Output]:
        if self.broken.pop():
            self.broken.append(False)
            raise RuntimeError("relay")
        self.broken.append(False)
        yield f"{command.do} {command.output}".encode()


def engine(limit: float = 0.15, relay: Relay | None = None) -> Engine:
    made = Engine(Core(PLAN, [PERMIT]), {"gate": OneByteReader, "bus": lambda: relay or Relay()}, limit)
    made.connected("gate", at(0))
    made.connected("bus", at(0))
    made.woken(at(0))
    return made


def sent(todo: list[Todo]) -> list[bytes]:
    return [part.data for part in todo if isinstance(part, Send)]


def tickets(todo: list[Todo]) -> list[int]:
    return [part.ticket.number for part in todo if isinstance(part, Commit)]


def published(todo: list[Todo], kind: type) -> list[object]:
    return [e for part in todo if isinstance(part, Publish) for e in part.effects if isinstance(e, kind)]


def test_a_granted_swipe_opens_only_once_its_record_is_durable() -> None:
    house = engine()
    todo = house.received("gate", b"c", at(1))
    (decision,) = published(todo, Decision)
    assert decision.verdict is Verdict.GRANTED
    assert sent(todo) == []
    (ticket,) = tickets(todo)
    assert decision in todo[0].ticket.records
    assert sent(house.committed(ticket, at(1.01))) == [b"pulse out1"]


def test_a_late_journal_holds_the_barrier_for_150_ms_and_then_raises_an_alarm() -> None:
    house = engine()
    (ticket,) = tickets(house.received("gate", b"c", at(1)))
    assert sent(house.woken(at(1.149))) == []
    assert house.wake_at == 1.15
    todo = house.woken(at(1.15))
    assert sent(todo) == [b"pulse out1"]
    assert any("journal_late" in key for key in house.core.save())
    assert sent(house.committed(ticket, at(2))) == []  # it has gone already, and goes once


def test_a_journal_that_refuses_holds_the_barrier_no_longer_than_it_takes_to_say_so() -> None:
    house = engine()
    (ticket,) = tickets(house.received("gate", b"c", at(1)))
    assert sent(house.refused(ticket, at(1.02))) == [b"pulse out1"]
    assert any("journal_failed" in key for key in house.core.save())


def test_fire_opens_in_the_same_call_and_waits_for_no_record() -> None:
    house = engine()
    todo = house.event(FireSignal("panel", FireKind.FIRE, at(1)))
    assert sent(todo) == [b"set out1"]
    assert tickets(todo)


def test_a_driver_that_raises_takes_down_its_own_devices_and_is_built_anew() -> None:
    house = engine()
    todo = house.received("gate", b"!", at(1))
    assert [part.link for part in todo if isinstance(part, Failed)] == ["gate"]
    assert published(todo, LinkChanged) == [LinkChanged("reader", False, at(1), Reason.DRIVER)]
    assert house.received("gate", b"c", at(1.1)) == []  # set aside: nothing reaches it
    assert sent(house.event(FireSignal("panel", FireKind.FIRE, at(1.2)))) == [b"set out1"]
    back = house.woken(at(1 + REBUILD_FIRST))
    assert LinkChanged("reader", True, at(1 + REBUILD_FIRST)) in published(back, LinkChanged)
    assert published(house.received("gate", b"c", at(3)), Decision)


def test_what_a_failed_driver_held_is_held_again_by_the_next_one() -> None:
    relay = Relay()
    house = engine(relay=relay)
    relay.broken[:] = [True]
    todo = house.event(FireSignal("panel", FireKind.FIRE, at(1)))
    assert sent(todo) == []
    assert any(isinstance(part, Failed) for part in todo)
    assert b"set out1" in sent(house.woken(at(1 + REBUILD_FIRST)))


def test_a_pulse_that_a_failed_driver_had_begun_is_ended_by_the_next_one() -> None:
    relay = Relay()
    house = engine(relay=relay)
    (ticket,) = tickets(house.received("gate", b"c", at(1)))
    assert sent(house.committed(ticket, at(1.01))) == [b"pulse out1"]
    house.received("bus", b"!", at(1.2))
    assert sent(house.woken(at(1.2 + REBUILD_FIRST))) == [b"clear out1"]


def test_a_link_that_is_reconfigured_takes_over_what_its_outputs_were_told() -> None:
    house = engine()
    house.event(FireSignal("panel", FireKind.FIRE, at(1)))
    house.lost("bus", at(2))
    house.adopt(house.core, {"gate": OneByteReader, "bus": Relay}, kept={"gate"}, limit=0.15)
    assert sent(house.connected("bus", at(3)))[0] == b"set out1"


def test_a_pulse_that_a_reconfiguration_cuts_short_is_ended_by_the_new_driver() -> None:
    house = engine()
    (ticket,) = tickets(house.received("gate", b"c", at(1)))
    house.committed(ticket, at(1.01))
    house.lost("bus", at(1.2))
    house.adopt(house.core, {"gate": OneByteReader, "bus": Relay}, kept={"gate"}, limit=0.15)
    assert sent(house.connected("bus", at(1.5))) == [b"clear out1"]
    assert sent(house.lost("bus", at(2))) + sent(house.connected("bus", at(3))) == []


def test_pulses_are_ended_before_their_link_is_closed_and_nothing_else_is() -> None:
    house = engine()
    assert house.calm(["bus", "gate"], at(0.5)) == []
    (ticket,) = tickets(house.received("gate", b"c", at(1)))
    house.committed(ticket, at(1.01))
    assert sent(house.calm(["bus"], at(1.2))) == [b"clear out1"]
    house.event(FireSignal("panel", FireKind.FIRE, at(2)))
    assert house.calm(["bus"], at(2.1)) == []


def test_a_fire_does_not_wait_for_a_driver_that_was_set_aside() -> None:
    house = engine()
    house.received("bus", b"!", at(1))
    todo = house.event(FireSignal("panel", FireKind.FIRE, at(1.1)))
    assert b"set out1" in sent(todo)
    assert LinkChanged("relay", True, at(1.1)) in published(todo, LinkChanged)


def test_a_driver_that_fails_at_every_command_ends_no_loop_and_no_stack() -> None:
    relay = Relay()
    house = engine(relay=relay)
    for output in ("out1", "out2", "out3"):
        list(house._lines["bus"].tell(Call.COMMAND, at(1), Command("relay", output, Do.SET)))
    relay.broken[:] = [True] * 50
    todo = house.event(FireSignal("panel", FireKind.FIRE, at(2)))
    assert any(isinstance(part, Failed) for part in todo)
    assert len(relay.broken) > 40


def test_an_output_that_the_device_lacks_is_told_and_disturbs_nothing_else() -> None:
    class Choosy(Relay):
        def command(self, command: Command, at: Stamp) -> Iterator[Output]:
            if command.output != "out1":
                raise ValueError(f"no output {command.output}")
            return Relay.command(self, command, at)

    line = Line("bus", Choosy, {})
    list(line.tell(Call.CONNECTED, at(0)))
    (failed,) = line.tell(Call.COMMAND, at(1), Command("relay", "out9", Do.SET))
    assert isinstance(failed, Failed)
    assert list(line.tell(Call.COMMAND, at(2), Command("relay", "out1", Do.SET))) == [b"set out1"]


def test_a_command_for_a_device_that_a_reload_took_away_is_dropped() -> None:
    house = engine()
    (ticket,) = tickets(house.received("gate", b"c", at(1)))
    house.lost("bus", at(1.01))
    house.adopt(house.core, {"gate": OneByteReader}, kept={"gate"}, limit=0.15)
    assert house.committed(ticket, at(1.02)) == []


def test_equal_links_do_not_notice_another_configuration() -> None:
    house = engine()
    house.received("gate", b"!", at(1))  # set aside: an adopted line must still be so
    house.lost("bus", at(1.1))
    house.adopt(house.core, {"gate": OneByteReader, "bus": Relay}, kept={"gate"}, limit=0.15)
    assert house.received("gate", b"c", at(1.2)) == []
    assert published(house.connected("bus", at(1.3)), LinkChanged) == [LinkChanged("relay", True, at(1.3))]


def test_a_tap_sees_all_that_a_driver_is_told_and_says_from_its_beginning() -> None:
    seen: list[object] = []

    class Ear:
        def began(self, stood: Sequence[Stood], at: Stamp) -> None:
            assert not stood

        def told(self, call: Call, at: Stamp, told: Told) -> None:
            seen.append((call, told))

        def said(self, output: Output | Failed) -> None:
            seen.append(output)

    house = engine()
    house.listen("gate", Ear(), at(1))
    house.received("gate", b"c", at(2))
    house.listen("gate", None, at(3))
    house.received("gate", b"c", at(9))
    assert seen == [
        (Call.CONNECTED, None),
        LinkChanged("reader", True, at(1)),
        (Call.RECEIVED, b"c"),
        CardRead("reader", CARD, at(2)),
    ]


def test_a_trouble_of_the_gateway_is_an_alarm_like_any_other() -> None:
    house = engine()
    assert tickets(house.event(Trouble("spool_nearly_full", "spool", True, at(1))))
