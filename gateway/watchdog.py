"""Tells systemd that the gateway is up and alive (sd_notify(3)); without systemd it does nothing."""

import os
import socket
from contextlib import suppress


class Watchdog:
    """Fed only when the core has stepped: a main loop that hangs is restarted by systemd."""

    def __init__(self) -> None:
        self._address = os.environ.get("NOTIFY_SOCKET", "")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)

    def ready(self) -> None:
        self._say("READY=1")

    def feed(self) -> None:
        self._say("WATCHDOG=1")

    def stopping(self) -> None:
        self._say("STOPPING=1")
        self._socket.close()

    def _say(self, word: str) -> None:
        """systemd that does not listen (a full queue, its own restart) hears the next word."""
        if self._address:  # a leading @ is how the environment writes the abstract namespace's NUL
            address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
            with suppress(OSError):
                self._socket.sendto(word.encode(), address)
