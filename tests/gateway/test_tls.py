"""Links inside TLS, over real sockets, with certificates of the test's own."""

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
import structlog

from sitewarden.drivers.plan import TcpPort, Tls
from sitewarden.gateway import links
from tests.drivers.virtual import Slave, holding
from tests.gateway.certificates import Authority
from tests.gateway.ear import Ear, link_to
from tests.gateway.live import free_port

pytestmark = pytest.mark.slow

ASKED = bytes.fromhex("0001 0000 0006 01 03 0000 0002")
ANSWERED = bytes.fromhex("0001 0000 0007 01 03 04 002a 1770")
REFUSED = "the certificate of the other end is refused: "

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def authority(folder: Path) -> Authority:
    return Authority(folder)


@pytest.fixture(scope="module")
def stranger(folder: Path) -> Authority:
    return Authority(folder, "stranger")


@pytest.fixture(scope="module")
def ours(authority: Authority) -> Tls:
    return authority.issue("gateway")


@pytest.fixture(scope="module")
def theirs(authority: Authority) -> Tls:
    return authority.issue("device")


# -- the other end -----------------------------------------------------------------------------------


async def modbus(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    slave = Slave({1: holding({0: 42, 1: 6000})}, tcp=True)
    with suppress(OSError):  # whoever refuses our certificate hangs up
        while request := await reader.read(300):
            writer.write(slave.answer(request) or b"")
    writer.close()


async def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(10_000)
    writer.close()


async def babbles(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(ANSWERED)
    await reader.read()
    writer.close()


async def is_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


@asynccontextmanager
async def device(tls: Tls | None, handler: Handler = modbus, port: int = 0) -> AsyncIterator[int]:
    """A device and its port; in TLS it wants callers to show a certificate that it trusts."""
    server = await asyncio.start_server(handler, "127.0.0.1", port, ssl=tls and context(tls, server=True))
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def context(tls: Tls, server: bool = False) -> ssl.SSLContext:
    """As the device has it, made by the standard library's own recipe."""
    made = ssl.create_default_context(
        ssl.Purpose.CLIENT_AUTH if server else ssl.Purpose.SERVER_AUTH, cafile=tls.ca
    )
    if tls.cert:
        made.load_cert_chain(tls.cert, tls.key)
    made.verify_mode = ssl.CERT_REQUIRED
    return made


# -- this end ----------------------------------------------------------------------------------------


async def asked(link: links.Link, ear: Ear, connections: int = 1) -> None:
    """The device answers what it must."""
    await ear.until(lambda: ear.count("up") == connections, within=10.0)
    link.send(ASKED)
    await ear.until(lambda: ear.data() == connections * ANSWERED)


def refusals(tls: Tls, peer: Tls | None = None, handler: Handler = modbus) -> list[str]:
    """What the log says of a link that is refused."""

    async def scene() -> None:
        async with device(peer, handler) as port:
            ear = Ear()
            link = link_to(TcpPort("127.0.0.1", port, tls=tls), ear)
            link.start()
            await counted(lambda: link.counters.refused)
            assert ear.heard == []
            await link.stop()

    return told(scene, "link.refused")


def told(scene: Callable[[], Awaitable[None]], event: str) -> list[str]:
    with structlog.testing.capture_logs() as said:
        asyncio.run(scene())
    return [entry["error"] for entry in said if entry["event"] == event]


async def counted(count: Callable[[], int], least: int = 1) -> None:
    async with asyncio.timeout(5):
        while count() < least:  # noqa: ASYNC110 - a counter has no event
            await asyncio.sleep(0.02)


# -- we call -----------------------------------------------------------------------------------------


def test_a_device_is_asked_inside_tls_and_both_ends_show_a_certificate(ours: Tls, theirs: Tls) -> None:
    async def scene() -> None:
        async with device(theirs) as port:
            ear = Ear()
            link = link_to(TcpPort("127.0.0.1", port, tls=ours), ear)
            link.start()
            await asked(link, ear)
            assert link._wire._transport.get_extra_info("ssl_object").version() == "TLSv1.3"
            await link.stop()
            assert [kind for kind, _ in ear.heard] == ["up", "data", "lost"]

    asyncio.run(scene())


def test_a_device_that_goes_by_another_name_is_taken_for_it_when_that_is_configured(
    authority: Authority, ours: Tls
) -> None:
    async def scene() -> None:
        async with device(authority.issue("pump", "DNS:pump-1")) as port:
            ear = Ear()
            link = link_to(TcpPort("127.0.0.1", port, tls=replace(ours, name="pump-1")), ear)
            link.start()
            await asked(link, ear)
            await link.stop()

    asyncio.run(scene())


def test_a_device_that_is_not_to_be_trusted_is_not_asked(
    authority: Authority, stranger: Authority, ours: Tls, theirs: Tls
) -> None:
    unknown = refusals(ours, replace(stranger.issue("device"), ca=ours.ca))
    assert unknown == [REFUSED + "unable to get local issuer certificate"]
    expired = refusals(ours, authority.issue("old", days=-1))
    assert expired == [REFUSED + "certificate has expired"]
    address = refusals(ours, authority.issue("elsewhere", "IP:10.0.0.1"))
    assert address == [REFUSED + "IP address mismatch, certificate is not valid for '127.0.0.1'."]
    name = refusals(replace(ours, name="tank"), theirs)
    assert name == [REFUSED + "Hostname mismatch, certificate is not valid for 'tank'."]


def test_a_certificate_of_nobody_we_know_is_not_taken_without_an_authority_of_ones_own(
    ours: Tls, theirs: Tls
) -> None:
    assert refusals(Tls(), theirs)[0].startswith(REFUSED)


def test_a_device_that_speaks_plainly_is_not_spoken_to(ours: Tls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "CONNECT_TIMEOUT", 0.3)
    assert refusals(ours, handler=babbles) == ["the other end does not speak TLS"]
    assert refusals(ours, handler=hangs_up) == ["the other end hung up"]
    assert refusals(ours, handler=is_silent) == ["no answer in time"]


def test_a_device_that_does_not_trust_us_says_why_and_is_called_ever_more_seldom(
    stranger: Authority, ours: Tls, theirs: Tls
) -> None:
    """In TLS 1.3 it says so only when the connection stands. asyncio would not say it: OpenSSL does."""
    unknown = replace(stranger.issue("gateway"), ca=ours.ca)
    nothing = replace(ours, cert="", key="")
    assert hung_up_on(unknown, theirs) == ["the other end does not trust who signed our certificate"] * 2
    assert hung_up_on(nothing, theirs) == ["the other end wants a certificate of ours"] * 2


def hung_up_on(shown: Tls, theirs: Tls) -> list[str]:
    """What the log says of two connections that a device ends at once."""
    port = free_port()
    strict = ["-Verify", "1", "-verify_return_error", "-CAfile", theirs.ca]
    shows = ["-cert", theirs.cert, "-key", theirs.key]
    server = subprocess.Popen(
        ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", *strict, *shows, "-quiet"],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    async def scene() -> None:
        _, writer = await called(port, None)
        writer.close()
        ear = Ear()
        link = link_to(TcpPort("127.0.0.1", port, tls=shown), ear)
        link.start()
        await ear.until(lambda: ear.count("lost") == 2)
        assert link._pause.next() >= 0.7 * 4 * links.TCP_RETRY_FIRST
        await link.stop()

    try:
        return told(scene, "link.lost")
    finally:
        server.kill()
        server.wait()


def test_what_is_wrong_with_the_files_is_said(tmp_path: Path, ours: Tls, theirs: Tls) -> None:
    empty, locked = tmp_path / "empty.pem", tmp_path / "locked.key"
    empty.touch()
    subprocess.run(
        ["openssl", "ec", "-in", ours.key, "-aes128", "-passout", "pass:x", "-out", locked],
        check=True,
        capture_output=True,
    )
    pair = "no certificate and its key in PEM, without a password"
    for wrong, why in [
        (replace(ours, ca=str(tmp_path / "none")), f"[Errno 2] No such file or directory: '{tmp_path}/none'"),
        (replace(ours, ca=str(empty)), f"{empty}: no certificate in PEM"),
        (replace(ours, cert=str(empty)), f"{empty}, {ours.key}: {pair}"),
        (replace(ours, key=str(locked)), f"{ours.cert}, {locked}: {pair}"),
        (replace(ours, key=theirs.key), f"{ours.cert}, {theirs.key}: the key is of another certificate"),
    ]:
        assert refusals(wrong) == [why]


def test_a_link_is_up_as_soon_as_its_files_and_its_device_are_right_and_no_other_waits_for_it(
    tmp_path: Path, authority: Authority, ours: Tls, theirs: Tls
) -> None:
    async def scene() -> None:
        late = replace(ours, ca=str(tmp_path / "later.pem"))
        port = free_port()
        ear, other_ear = Ear(), Ear()
        link = link_to(TcpPort("127.0.0.1", port, tls=late), ear)
        async with device(theirs) as other_port:
            other = link_to(TcpPort("127.0.0.1", other_port, tls=ours), other_ear)
            link.start()
            other.start()
            await asked(other, other_ear)
            assert link.counters.refused >= 1
            shutil.copy(ours.ca, late.ca)
            async with device(authority.issue("old", days=-1), port=port):
                await counted(lambda: link.counters.refused, link.counters.refused + 1)
            async with device(theirs, port=port):
                await asked(link, ear)
                link._wire._transport.abort()  # the device restarts
                await asked(link, ear, connections=2)
                await link.stop()
            await other.stop()

    assert told(scene, "link.refused")[0].endswith("later.pem'")


# -- the device calls --------------------------------------------------------------------------------


def test_a_device_calls_inside_tls(ours: Tls, theirs: Tls) -> None:
    async def scene() -> None:
        ear, port = Ear(), free_port()
        link = link_to(TcpPort("127.0.0.1", port, listen=True, tls=ours), ear)
        link.start()
        reader, writer = await called(port, context(theirs))
        answering = asyncio.ensure_future(modbus(reader, writer))
        await asked(link, ear)
        await link.stop()
        await answering

    asyncio.run(scene())


def test_a_caller_that_shows_no_good_certificate_is_told_of(
    stranger: Authority, ours: Tls, theirs: Tls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "CONNECT_TIMEOUT", 0.5)

    async def scene() -> None:
        ear, port = Ear(), free_port()
        link = link_to(TcpPort("127.0.0.1", port, listen=True, tls=ours), ear)
        link.start()
        unknown = replace(stranger.issue("device"), ca=ours.ca)
        for times, secured in enumerate([context(unknown), context(replace(theirs, cert="")), None, None], 1):
            _, writer = await called(port, secured)
            if times == 3:
                writer.write(ANSWERED)
            await counted(lambda: link.counters.refused, times)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
        assert ear.heard == []
        await link.stop()

    assert told(scene, "link.refused") == [
        REFUSED + "unable to get local issuer certificate",
        "the other end shows no certificate",
        "the other end does not speak TLS",
        "no answer in time",
    ]


async def called(
    port: int, secured: ssl.SSLContext | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    async with asyncio.timeout(5):
        while True:
            try:
                return await asyncio.open_connection("127.0.0.1", port, ssl=secured)
            except ConnectionRefusedError:
                await asyncio.sleep(0.02)
