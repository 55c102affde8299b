"""A node and the primary host that it waits for, against a real mosquitto."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import pytest

from sitewarden.gateway.sinks.answers import Kind
from sitewarden.gateway.sinks.mqtt.connection import Connection
from sitewarden.gateway.sinks.sparkplug import transport
from sitewarden.gateway.sinks.sparkplug.primary import PrimaryHost
from sitewarden.gateway.sinks.sparkplug.wire import Malformed
from sitewarden.gateway.spool.spool import Spool
from tests.gateway import sparkplug_under_test
from tests.gateway.sparkplug_ear import Ear, Primary, state
from tests.gateway.test_sparkplug_carrier import fill, numbers
from tests.gateway.test_sparkplug_server import PLAN, Stage
from tests.servers import Peer, mosquitto, running, until

AWAY = "the primary host scada is away"
STATE = "spBv1.0/STATE/scada"


def host(*said: tuple[bool, int]) -> PrimaryHost:
    it = PrimaryHost("scada")
    it.begin()
    for online, at in said:
        it.hear(state(online, at))
    return it


@pytest.mark.parametrize(
    ("said", "there", "gone"),
    [
        ([], False, False),
        ([(True, 5)], True, False),
        ([(False, 5)], False, False),
        ([(True, 5), (False, 5)], False, True),
        ([(True, 5), (False, 9)], False, True),
        ([(True, 5), (False, 4)], True, False),  # a will of an earlier connection
        ([(True, 5), (False, 9), (True, 8)], False, True),  # an online of an earlier one
        ([(True, 5), (False, 9), (False, 5), (True, 8)], False, True),
        ([(True, 5), (False, 5), (True, 6)], True, True),
        ([(False, 9), (True, 8)], False, False),
        ([(False, 9), (True, 9)], True, False),
    ],
)
def test_what_counts_of_what_it_says(said: list[tuple[bool, int]], there: bool, gone: bool) -> None:
    it = host(*said)
    assert (it.comes(0.0), it.gone) == (there, gone)


def test_a_new_connection_knows_nothing_but_when() -> None:
    it = host((True, 5), (False, 6))
    it.begin()
    assert (it.comes(0.0), it.gone) == (False, False)
    it.hear(state(True, 5))
    assert not it.comes(0.0)
    it.hear(state(True, 6))
    assert it.comes(0.0)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"ONLINE",
        b"\xff",
        b"[" * 100_000,
        b"9" * 10_000,
        b"true",
        b'{"online": true}',
        b'{"online": 1, "timestamp": 5}',
        b'{"online": true, "timestamp": "5"}',
        b'{"online": true, "timestamp": true}',
        b'{"online": true, "timestamp": NaN}',
    ],
)
def test_what_is_no_state_is_malformed(payload: bytes) -> None:
    it = host()
    with pytest.raises(Malformed):
        it.hear(payload)
    assert not it.comes(0.0)


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[Peer]:
    (tmp_path / "broker").mkdir()
    with running(mosquitto(tmp_path / "broker")) as it:
        yield it


@pytest.fixture
def stage(tmp_path: Path, peer: Peer, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Stage, Ear]]:
    """A node that waits, and somebody else who listens."""
    monkeypatch.setattr(transport, "PATIENCE", 0.2)
    with closing(Ear(peer.port, primary="scada")) as ear:
        with closing(Stage(tmp_path, peer.port, replace(PLAN, primary_host="scada"))) as it:
            yield it, ear
        assert until(lambda: not ear.host.online)
        assert ear.host.complaints == []


@pytest.mark.server
def test_it_is_born_for_no_other_host_and_for_no_online_that_is_old(stage: tuple[Stage, Ear]) -> None:
    it, ear = stage

    def says(online: bool, at: int, topic: str = STATE) -> Kind:
        ear.publish(topic, state(online, at), 1, True)
        return it.transport.prepare().kind

    assert (it.transport.prepare().words, it.transport.prepare().retry_after) == (AWAY, 0.0)
    assert says(True, 5, "spBv1.0/STATE/another") is Kind.LATER
    assert says(False, 5) is Kind.LATER
    assert says(True, 4) is Kind.LATER
    assert ear.host.heard == []
    assert says(True, 5) is Kind.TAKEN
    assert until(lambda: ear.host.online)
    assert ear.host.bdseqs == [0], "it waited on one connection"


@pytest.mark.server
def test_it_dies_with_its_host_and_not_for_a_will_that_comes_late(stage: tuple[Stage, Ear]) -> None:
    it, ear = stage
    ear.publish(STATE, state(True, 5), 1, True)
    assert it.transport.prepare().kind is Kind.TAKEN
    ear.publish(STATE, state(False, 4), 1, True)
    assert [it.read(1.0), it.transport.tend().kind] == [Kind.TAKEN] * 2
    ear.publish(STATE, state(True, 5), 1, True)  # as a host must, for whoever comes later
    ear.publish(STATE, state(False, 5), 1, True)
    assert until(lambda: it.transport.tend().words == AWAY)
    assert it.read(2.0) is Kind.LATER
    assert until(lambda: ear.host.heard[-1] == "NDEATH")
    assert it.transport.prepare().words == AWAY
    ear.publish(STATE, state(True, 6), 1, True)
    assert it.transport.prepare().kind is Kind.TAKEN
    assert until(lambda: ear.host.online)
    assert ear.host.bdseqs == [0, 1]
    assert ear.host.values("tank", "level") == [1.0]


@pytest.mark.server
def test_a_host_that_was_away_for_a_moment_gets_a_new_session(stage: tuple[Stage, Ear]) -> None:
    it, ear = stage
    ear.publish(STATE, state(True, 5), 1, True)
    it.transport.prepare()
    ear.publish(STATE, state(False, 6), 1, True)
    ear.publish(STATE, state(True, 7), 1, True)
    assert until(lambda: it.transport.tend().kind is Kind.LATER)
    assert it.transport.prepare().kind is Kind.TAKEN
    assert until(lambda: ear.host.bdseqs == [0, 1])


@pytest.mark.server
def test_a_batch_that_the_broker_read_after_the_host_had_gone_was_not_taken(
    stage: tuple[Stage, Ear], monkeypatch: pytest.MonkeyPatch
) -> None:
    it, ear = stage
    ear.publish(STATE, state(True, 5), 1, True)
    it.transport.prepare()

    def subscribe(self: Connection, filters: Sequence[str]) -> None:
        ear.publish(STATE, state(False, 6), 1, True)
        subscribed(self, filters)

    subscribed = Connection.subscribe
    monkeypatch.setattr(Connection, "subscribe", subscribe)
    assert it.read(1.0) is Kind.LATER
    assert not it.transport.healthy()
    assert until(lambda: ear.host.heard[-1] == "NDEATH")


@pytest.mark.server
@pytest.mark.slow
def test_the_host_lacks_nothing_of_what_was_measured_while_it_was_away(tmp_path: Path, peer: Peer) -> None:
    """It comes late, leaves in the middle of everything, and crashes."""
    hosts: list[Primary] = []
    with ExitStack() as stack:
        onlooker = stack.enter_context(closing(Ear(peer.port, primary="scada"))).host
        spool = stack.enter_context(closing(Spool(tmp_path / "spool.db", ["broker"])))
        it = sparkplug_under_test.carrier(tmp_path, peer.port, spool, primary_host="scada")
        it.start()
        stack.callback(it.stop, 6.0)
        sent = 0

        def comes() -> Primary:
            hosts.append(stack.enter_context(closing(Primary(peer.port))))
            return hosts[-1]

        def tell(seconds: float) -> None:
            nonlocal sent
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                fill(spool, sent, 20, time.time_ns() - 50_000_000)
                sent += 20
                time.sleep(0.05)

        def heard() -> set[object]:
            return set().union(*(numbers(each.host) for each in hosts))

        tell(1.5)
        assert it.status().error == AWAY
        assert spool.stats().pending["broker"] == sent
        assert onlooker.heard == []
        first = comes()
        tell(1.0)
        assert until(lambda: len(heard()) == sent)
        for _ in range(3):
            tell(0.3)
            first.close()
            tell(0.7)
            assert until(lambda: not onlooker.online)
            before = len(onlooker.told)
            tell(0.5)
            assert len(onlooker.told) == before, "nothing is told to nobody"
            first = comes()
            tell(0.3)
        assert until(lambda: heard() == {float(number) for number in range(sent)})
        first.crash()
        assert until(lambda: not onlooker.online)
        tell(1.0)
        comes()
        assert until(lambda: heard() == {float(number) for number in range(sent)})
        assert onlooker.bdseqs == [0, 1, 2, 3, 4]
        assert [each.host.complaints for each in hosts] == [[]] * 5
        assert onlooker.complaints == []
