"""The connection to a broker against a real mosquitto, and against ports that only look like one."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from threading import Thread
from threading import enumerate as threads
from time import monotonic

import pytest

from sitewarden.config.sinks import MqttPlan
from sitewarden.drivers.plan import Tls
from sitewarden.gateway.sinks.mqtt import connection
from sitewarden.gateway.sinks.mqtt.connection import BrokerError, Connection, Message
from tests.gateway.certificates import Authority
from tests.gateway.witness import witness
from tests.servers import Peer, black_hole, mosquitto, running, until
from tests.uplink import Uplink, Weather

pytestmark = pytest.mark.server

WILL = Message("sitewarden/x/status", b"offline", retain=True)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CONNECT", "ANSWER"):
        monkeypatch.setattr(connection, name, 0.5)


def connection_to(port: int, **more: object) -> Connection:
    plan = replace(MqttPlan("broker", "127.0.0.1", port), **more)  # type: ignore[arg-type]
    return Connection(plan, "sitewarden/x/broker", WILL, False, lambda *_: None)


def numbered(count: int) -> list[Message]:
    return [Message("sitewarden/x/n", str(n).encode()) for n in range(count)]


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[Peer]:
    with running(mosquitto(tmp_path)) as it:
        yield it


def test_what_is_published_has_arrived_in_order_when_it_returns(peer: Peer) -> None:
    with witness(peer) as seen, closing(connection_to(peer.port)) as it:
        it.connect()
        it.publish(numbered(3000), 20.0)
        assert until(lambda: len(seen.heard) == 3000)
        assert [int(payload) for _, payload, _ in seen.heard] == list(range(3000))


def test_several_threads_publish_at_once(peer: Peer) -> None:
    with witness(peer) as seen, closing(connection_to(peer.port)) as it:
        it.connect()
        several = [Thread(target=it.publish, args=(numbered(300), 20.0)) for _ in range(4)]
        for each in several:
            each.start()
        for each in several:
            each.join()
        assert until(lambda: len(seen.heard) == 1200)


def test_what_is_subscribed_to_comes(peer: Peer) -> None:
    heard = list[tuple[str, bytes, bool]]()
    plan = MqttPlan("broker", "127.0.0.1", peer.port)
    with closing(Connection(plan, "x", None, True, lambda *it: heard.append(it))) as it:
        it.connect()
        it.subscribe([])
        it.subscribe(["sitewarden/x/#"])
        it.publish([Message("sitewarden/x/a", b"1"), Message("sitewarden/y", b"2")])
        assert until(lambda: heard == [("sitewarden/x/a", b"1", False)])


def test_a_goodbye_keeps_the_last_will_from_being_sent_and_a_loss_does_not(peer: Peer) -> None:
    with witness(peer) as seen, Uplink(peer.port) as uplink:
        it = connection_to(uplink.port)
        it.connect()
        it.close([Message("sitewarden/x/status", b"gone")])
        it.connect()
        uplink.turn(Weather.REFUSED)
        assert until(lambda: not it.up)
        assert until(lambda: len(seen.heard) >= 2)
        assert [payload for _, payload, _ in seen.heard] == [b"gone", b"offline"]


def test_what_was_not_acknowledged_is_said_to_have_failed(peer: Peer) -> None:
    it = connection_to(peer.port)
    it.connect()
    peer.stop(kill=True)
    begun = monotonic()
    with pytest.raises(BrokerError):
        it.publish(numbered(10))
    assert monotonic() - begun < 2.0, "a lost connection is no time-out"
    assert not it.up
    with pytest.raises(BrokerError, match="refused"):
        it.connect()
    peer.start()
    it.connect()
    it.publish(numbered(1))
    it.close()


@pytest.mark.usefixtures("impatient")
def test_nobody_waits_for_a_broker_that_hangs() -> None:
    with black_hole() as port:
        it = connection_to(port)
        begun = monotonic()
        with pytest.raises(BrokerError, match="no answer in time"):
            it.connect()
        it.close([WILL])
        assert monotonic() - begun < 1.5


@pytest.mark.usefixtures("impatient")
def test_nobody_waits_for_a_broker_that_hangs_later(peer: Peer) -> None:
    with Uplink(peer.port) as uplink:
        it = connection_to(uplink.port)
        it.connect()
        uplink.turn(Weather.BLACK_HOLE)
        begun = monotonic()
        with pytest.raises(BrokerError, match="no answer in time"):
            it.publish(numbered(5000), 0.5)
        assert not it.up
        it.close([WILL])
        assert monotonic() - begun < 1.5


@pytest.mark.usefixtures("impatient")
def test_a_broker_that_is_late_has_twice_as_long_the_next_time(peer: Peer) -> None:
    with Uplink(peer.port) as uplink:
        it = connection_to(uplink.port)
        for patience in (0.5, 1.0, 2.0):
            uplink.turn(Weather.FINE)
            it.connect()
            uplink.turn(Weather.BLACK_HOLE)
            begun = monotonic()
            with pytest.raises(BrokerError, match="no answer in time"):
                it.publish(numbered(1))
            assert patience <= monotonic() - begun < patience + 0.4
        it.close()


@pytest.mark.slow
def test_a_slow_uplink_is_no_broker_that_hangs(peer: Peer) -> None:
    with (
        witness(peer) as seen,
        Uplink(peer.port, 40_000) as uplink,
        closing(connection_to(uplink.port)) as it,
    ):
        uplink.turn(Weather.SLOW)
        it.connect()
        begun = monotonic()
        it.publish([replace(each, payload=each.payload.ljust(100)) for each in numbered(1000)], 1.0)
        assert monotonic() - begun > 1.0
        assert until(lambda: len(seen.heard) == 1000)
        it.close()


@pytest.mark.usefixtures("impatient")
def test_a_connection_that_ended_leaves_no_thread(peer: Peer) -> None:
    before = set(threads())
    it = connection_to(peer.port)
    for _ in range(3):
        it.connect()
    it.close()
    assert set(threads()) == before


@pytest.mark.parametrize(("host", "port"), [("a" * 70 + ".example", 1), ("127.0.0.1", 0), ("127.0.0.1", 1)])
def test_whatever_keeps_it_from_the_broker_is_one_kind_of_error(host: str, port: int) -> None:
    it = connection_to(port, host=host)
    with pytest.raises(BrokerError) as failed:
        it.connect()
    assert str(failed.value)
    assert not failed.value.refused
    with pytest.raises(BrokerError, match="not connected"):
        it.publish(numbered(1))


def test_a_topic_that_is_none_is_no_other_error(peer: Peer) -> None:
    with closing(connection_to(peer.port)) as it:
        it.connect()
        with pytest.raises(BrokerError, match="wildcard"):
            it.publish([Message("sitewarden/#", b"")])


def test_a_broker_that_does_not_want_us_says_so(tmp_path: Path) -> None:
    with running(mosquitto(tmp_path, "allow_anonymous false")) as peer:
        it = connection_to(peer.port, username="gateway", password="wrong")
        with pytest.raises(BrokerError, match=r"(?i)not authori[sz]ed") as failed:
            it.connect()
        assert failed.value.refused


# -- TLS -----------------------------------------------------------------------------------------


def secured(folder: Path, tls: Tls) -> Sequence[str]:
    return (f"cafile {tls.ca}", f"certfile {tls.cert}", f"keyfile {tls.key}", "require_certificate true")


def test_both_ends_show_their_certificates(tmp_path: Path) -> None:
    site = Authority(tmp_path)
    with running(mosquitto(tmp_path, *secured(tmp_path, site.issue("broker")))) as peer:
        ours = site.issue("gateway")
        with closing(connection_to(peer.port, tls=ours)) as it:
            it.connect()
            it.publish(numbered(100))
        for wrong in (
            replace(ours, cert="", key=""),
            replace(ours, ca=str(Authority(tmp_path, "other").file)),
            None,
        ):
            with pytest.raises(BrokerError):
                connection_to(peer.port, tls=wrong).connect()


def test_a_broker_that_is_called_otherwise_is_known_by_the_name_in_the_plan(tmp_path: Path) -> None:
    site = Authority(tmp_path)
    with running(mosquitto(tmp_path, *secured(tmp_path, site.issue("broker", "DNS:mqtt.site")))) as peer:
        ours = site.issue("gateway")
        with pytest.raises(BrokerError, match="certificate"):
            connection_to(peer.port, tls=ours).connect()
        with closing(connection_to(peer.port, tls=replace(ours, name="mqtt.site"))) as it:
            it.connect()
            it.publish(numbered(1))
