"""Ports that tools open, where that is more than a path or an address."""

import socket
import ssl
import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest

from sitewarden.drivers.plan import Framing, TcpPort, Tls
from sitewarden.gateway.cli.common import Failure
from sitewarden.gateway.cli.modbus.master import Answer
from sitewarden.gateway.cli.modbus.options import Line
from sitewarden.gateway.cli.modbus.port import opened
from tests.cli.conftest import Shell
from tests.cli.modbus.conftest import SITE, Bench
from tests.gateway.certificates import Authority
from tests.servers import free_port, until

ASKED, ANSWERED = b"\x03\x00\x00\x00\x01", b"\x03\x02\x12\x34"


class Secured:
    """A device that takes one caller and answers one request, inside TLS."""

    def __init__(self, its: Tls) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(its.cert, its.key)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = Thread(target=self._answer)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._socket.getsockname()[1])

    def close(self) -> None:
        self._thread.join()
        self._socket.close()

    def _answer(self) -> None:
        plain, _ = self._socket.accept()
        with plain:
            try:
                with self._context.wrap_socket(plain, server_side=True) as caller:
                    asked = caller.recv(12)
                    caller.sendall(asked[:4] + b"\x00\x05" + asked[6:7] + ANSWERED)
            except OSError:  # it does not trust us, and hung up
                return


def test_a_device_inside_tls_is_asked(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    device = Secured(authority.issue("device"))
    line = Line(TcpPort("127.0.0.1", device.port, tls=Tls(str(authority.file))), Framing.TCP)
    with line.master(timeout=2.0) as master:
        answer = master.ask(1, ASKED)
    device.close()
    assert isinstance(answer, Answer)
    assert answer.pdu == ANSWERED


def test_a_certificate_that_is_not_trusted_is_refused_in_words(tmp_path: Path) -> None:
    device = Secured(Authority(tmp_path).issue("device"))
    stranger = Authority(tmp_path, "other")
    port = TcpPort("127.0.0.1", device.port, tls=Tls(str(stranger.file)))
    with pytest.raises(Failure, match="the certificate of the other end is refused"), opened(port):
        pass
    device.close()


@pytest.mark.slow
def test_a_port_that_the_running_gateway_has_says_so(folder: Path, shell: Shell, bench: Bench) -> None:
    """As it runs in earnest: what `sitewarden run` becomes has another command line."""
    site = SITE.replace("line: {serial: line", f"line: {{serial: {bench.link('line')}")
    (folder / "site.yaml").write_text(f"{site}http: {{port: {free_port()}}}\n", "utf-8")

    def refused() -> bool:
        typed = shell("modbus", "read", "line", "17", "coil", "0")
        return f"held by the running gateway (process {gateway.pid})" in typed.err

    command = [sys.executable, "-m", "sitewarden.gateway", "run", "site.yaml"]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as gateway:
        try:
            assert until(refused), (folder / "log").read_text()
        finally:
            gateway.terminate()
