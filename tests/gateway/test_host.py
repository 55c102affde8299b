"""The host: answers, readiness, and what happens to pulses when a link is closed."""

import asyncio
import struct
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from datetime import date
from zoneinfo import ZoneInfo

import pytest

from sitewarden.config.profile import SHIPPED, load_profile
from sitewarden.drivers.modbus.points import Unit
from sitewarden.drivers.plan import BusPlan, Framing, LinkPlan, ReaderPlan, TcpPort
from sitewarden.gateway.clock import Clock
from sitewarden.gateway.host import Host
from sitewarden.gateway.journal import Done
from sitewarden.rules.core import Core
from sitewarden.rules.model import (
    Action,
    AlarmChange,
    AlarmState,
    Direction,
    Effect,
    FireChange,
    FireKind,
    FireSignal,
    Operator,
    Permit,
    PermitKind,
    Record,
    Stamp,
    Trouble,
)
from sitewarden.rules.plan import Barrier, Lane, Parking, SitePlan

PLAN = SitePlan(
    "site",
    ZoneInfo("UTC"),
    frozenset({"reader", "io"}),
    Parking((Lane("in", Direction.IN, "reader", Barrier("io", "out1", "io.in4", pulse=5.0)),)),
)
PERMIT = Permit("01000734E0", PermitKind.MONTHLY, date(2020, 1, 1), date(2099, 1, 1))


class SlowJournal:
    """Commits when it is told to."""

    alive = True

    def __init__(self) -> None:
        self.waiting: list[Done] = []

    def submit(self, records: Sequence[Record], done: Done, at: Stamp | None = None) -> None:
        self.waiting.append(done)

    def answer(self, error: BaseException | None = None) -> None:
        while self.waiting:
            self.waiting.pop(0)(error)


class Stage:
    def __init__(self, plans: Sequence[LinkPlan] = ()) -> None:
        self.journal, self.published = SlowJournal(), list[Effect]()
        self.host = Host(
            Core(PLAN, [PERMIT]), plans, 0.15, Clock(), self.journal, self.published.extend, lambda: None
        )

    def opens(self) -> Future[Sequence[Effect]]:
        answer: Future[Sequence[Effect]] = Future()
        event = Operator(Action.OPEN, "in", "guard", Clock().now(), "ambulance")
        self.host.operate(event, answer)
        return answer


async def settled(true: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110 - what is waited for is another thread's or a wire's
            await asyncio.sleep(0.01)


def played(scene: Callable[[], Awaitable[None]]) -> None:
    async def _play() -> None:
        await scene()

    asyncio.run(_play())


def test_an_operator_is_answered_once_it_is_durable() -> None:
    async def scene() -> None:
        stage = Stage()
        answer = stage.opens()
        assert not answer.done()
        stage.journal.answer()
        await settled(answer.done)
        assert any(isinstance(effect, Operator) for effect in answer.result())

    played(scene)


def test_listeners_are_told_a_moment_late_but_before_whoever_asked_has_an_answer() -> None:
    """They wake when they are told, and would compete with the commit that a barrier waits for."""

    async def scene() -> None:
        stage = Stage()
        stage.host.event(FireSignal("panel", FireKind.FIRE, Clock().now()))
        stage.opens()
        assert stage.journal.waiting
        assert not stage.published
        await settled(lambda: stage.published)
        told = [effect for effect in stage.published if isinstance(effect, FireChange | Operator)]
        assert [type(effect) for effect in told] == [FireChange, Operator]  # in order, each once
        answer: Future[Sequence[Effect]] = Future()
        seen: list[bool] = []
        answer.add_done_callback(lambda _: seen.append(stage.published[-1] in answer.result()))
        stage.published.clear()
        stage.host.operate(Operator(Action.OPEN, "in", "guard", Clock().now(), "ambulance"), answer)
        stage.journal.answer()
        await settled(answer.done)
        assert seen == [True]

    played(scene)


def test_what_happened_last_is_told_before_the_host_has_stopped() -> None:
    async def scene() -> None:
        stage = Stage()
        stage.host.event(FireSignal("panel", FireKind.FIRE, Clock().now()))
        await stage.host.stop()
        assert any(isinstance(effect, FireChange) for effect in stage.published)

    played(scene)


def test_an_operator_is_told_when_it_cannot_be_durable_and_readiness_is_lost_until_it_can() -> None:
    async def scene() -> None:
        stage = Stage()
        answer = stage.opens()
        stage.journal.answer(OSError("disk full"))
        await settled(answer.done)
        with pytest.raises(OSError, match="disk full"):
            answer.result()
        assert stage.host.ready() == {"core": True, "journal": False}
        stage.opens()
        stage.journal.answer()
        await settled(lambda: stage.host.ready()["journal"])

    played(scene)


def test_a_disk_that_takes_records_again_is_noticed_while_nothing_happens() -> None:
    async def scene() -> None:
        stage = Stage()

        def failed() -> list[AlarmState]:
            changes = (effect for effect in stage.published if isinstance(effect, AlarmChange))
            return [change.alarm.state for change in changes if change.alarm.code == "journal_failed"]

        for error in (OSError("disk full"), None):
            stage.host.note()
            stage.journal.answer(error)
            await settled(lambda error=error: stage.host.ready()["journal"] is (error is None))
        await settled(lambda: len(failed()) == 2)
        assert failed() == [AlarmState.UNACKNOWLEDGED, AlarmState.RETURNED]

    played(scene)


def test_an_answer_that_nobody_waits_for_any_more_disturbs_nothing() -> None:
    async def scene() -> None:
        stage = Stage()
        given_up = stage.opens()
        assert given_up.cancel()
        stage.journal.answer()
        await asyncio.sleep(0)
        refused: Future[Sequence[Effect]] = Future()
        refused.cancel()
        stage.host.event(FireSignal("panel", FireKind.FIRE, Clock().now()))
        stage.host.operate(Operator(Action.RESET_FIRE, "", "guard", Clock().now()), refused)
        assert any(isinstance(effect, FireChange) for effect in stage.published)

    played(scene)


class RelayBox:
    """A Modbus TCP device that echoes coil writes and refuses everything else."""

    def __init__(self) -> None:
        self.coils: list[bool] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readexactly(7)
                transaction, _, length, unit = struct.unpack(">HHHB", head)
                pdu = await reader.readexactly(length - 1)
                if pdu[0] == 5:
                    self.coils.append(pdu[3] == 0xFF)
                    writer.write(head + pdu)
                else:
                    writer.write(struct.pack(">HHHBBB", transaction, 0, 3, unit, pdu[0] | 0x80, 2))
        except asyncio.IncompleteReadError:
            writer.close()


@pytest.mark.parametrize("how", ["stop", "reload"])
def test_no_relay_stays_on_because_its_link_was_closed_in_the_middle_of_a_pulse(how: str) -> None:
    async def scene() -> None:
        box = RelayBox()
        server = await asyncio.start_server(box.serve, "127.0.0.1", 0)
        port = TcpPort("127.0.0.1", server.sockets[0].getsockname()[1])
        unit = Unit("io", 1, load_profile("relay-8in-8out", (SHIPPED,)))
        link = LinkPlan("bus", port, BusPlan(Framing.TCP, (unit,)))
        stage = Stage([link])
        stage.host.start()
        await settled(lambda: stage.host.links["bus"].up)
        stage.opens()
        stage.journal.answer()
        await settled(lambda: True in box.coils)
        if how == "stop":
            await stage.host.stop()
        else:
            wire = BusPlan(Framing.TCP, (replace(unit, timeout=0.7),))
            await stage.host.adopt(lambda core: core, [replace(link, wire=wire)], 0.15)
            await stage.host.stop()
        assert box.coils[box.coils.index(True) :][1] is False
        server.close()
        await server.wait_closed()

    played(scene)


def test_with_a_driver_goes_the_alarm_that_it_failed() -> None:
    async def scene() -> None:
        link = LinkPlan("gate", TcpPort("127.0.0.1", 1), ReaderPlan("reader"))
        stage = Stage([link])
        stage.host.event(Trouble("driver_failed", "gate", True, Clock().now()))
        await stage.host.adopt(lambda core: core, [], 0.15)
        await stage.host.stop()
        changes = [effect for effect in stage.published if isinstance(effect, AlarmChange)]
        assert [change.alarm.state for change in changes] == [AlarmState.UNACKNOWLEDGED, AlarmState.RETURNED]

    played(scene)
