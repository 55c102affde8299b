"""`simulate`: a process that serves a site, and the copy of the configuration that finds it."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sitewarden.config.site import load
from sitewarden.drivers.plan import SerialPort, TcpPort
from sitewarden.gateway.cards import Cards

pytestmark = pytest.mark.slow


def test_a_simulated_site_is_served_and_can_be_run(folder: Path) -> None:
    text = (folder / "site.yaml").read_text("utf-8").replace("127.0.0.1:5020", "192.168.1.20:502")
    taken = socket.create_server(("127.0.0.1", 0))
    text = text.replace("port: 8080", f"port: {taken.getsockname()[1]}")
    sinks = "sinks: {cloud: {type: mqtt, host: broker.example}}"
    (folder / "site.yaml").write_text(f"{text}\n{sinks}\n", "utf-8")
    with (
        taken,
        subprocess.Popen(
            [sys.executable, "-m", "sitewarden.gateway", "simulate", "site.yaml", "--seed", "7"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        assert process.stdin
        assert process.stdout
        for line in process.stdout:
            if line.startswith("Here"):
                break
        copy = folder / "simulated" / "site.yaml"
        site = load(copy, {})
        ports = {link.name: link.port for link in site.links}
        serial = [port.path for port in ports.values() if isinstance(port, SerialPort)]
        assert all(Path(path).readlink().is_relative_to("/dev/pts") for path in serial)
        assert isinstance(ports["lift-1"], TcpPort)
        assert ports["lift-1"].host == "127.0.0.1"
        assert site.http.port != taken.getsockname()[1], "it may run beside whatever has that port"
        assert (site.sinks, site.data) == ((), copy.parent / "data")
        assert Cards(site.data / "journal.db").all()
        offered = {name: process.stdout.readline() for name in ("swipe", "burst_pipe", "mend_pipe")}
        assert offered["swipe"].startswith("  swipe entrance/valid entrance/expired ")

        def answer(typed: str) -> str:
            assert process.stdin
            assert process.stdout
            process.stdin.write(f"{typed}\n")
            process.stdin.flush()
            return process.stdout.readline()

        while "plug" not in process.stdout.readline().split():
            pass
        assert (
            answer("no_such_thing here") == "There is no 'no_such_thing' here. 'help' lists what there is.\n"
        )
        assert answer("\n  swipe").startswith("swipe what? entrance/valid entrance/expired ")
        assert answer("fire").startswith("fire what? panel")
        assert answer("burst_pipe gate-in") == "burst_pipe stands alone.\n"
        assert answer("swipe entrance/valid") == "The car is at the reader.\n"
        assert answer("swipe  entrance/valid") == "Queued: another car is in front.\n"
        assert answer("unplug gate-in") == "Done.\n"
        assert answer("unplug gate-in") == "Nothing changes: it is so already.\n"
        assert answer("help") == offered["swipe"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert process.stderr
        assert process.stderr.read() == "The simulation has ended.\n"
        assert not any(Path(path).exists() for path in serial)
    assert "broker.example" in (folder / "site.yaml").read_text("utf-8")
