"""The primary host application: the host that the node waits for, and leaves with.

It says on `spBv1.0/STATE/<host id>` whether it is online, in JSON, retained, with the instant of its own
connection; its last will says otherwise. That instant tells a will that comes late, of a connection which
the host has replaced, from one that counts:

- online counts if its timestamp is not before that of the STATE before it
  ([tck-id-message-flow-edge-node-birth-publish-phid-wait-timestamp]);
- offline counts if it is not before that of the last online one
  ([tck-id-operational-behavior-edge-node-termination-host-offline-timestamp]).

Instants are remembered beyond a connection, as the broker keeps its retained STATE beyond it. So a host
whose clock was put back is believed again once it has passed where it was, or after a restart of ours.
"""

import json
from threading import Event

import structlog

from sitewarden.gateway.sinks.sparkplug.wire import Malformed

log = structlog.get_logger()

_NEVER = -1  # ms


class PrimaryHost:
    """One thread hears, another one asks."""

    def __init__(self, host_id: str) -> None:
        self.topic = f"spBv1.0/STATE/{host_id}"
        self.away = f"the primary host {host_id} is away"
        self.gone = False  # it was online on this connection, which is over since it went, even if it is back
        self._online = Event()
        self._last = self._last_online = _NEVER  # ms since 1970

    def begin(self) -> None:
        """A new connection, on which nothing was heard yet."""
        self._online.clear()
        self.gone = False

    def comes(self, timeout: float) -> bool:
        """Whether it is online, within `timeout` s."""
        return self._online.wait(timeout)

    def hear(self, payload: bytes) -> None:
        """Raises Malformed."""
        online, ms = _read(payload)
        if ms < (self._last if online else self._last_online):
            log.warning("sparkplug.state_is_old", topic=self.topic, online=online, timestamp=ms)
            return
        self._last = max(self._last, ms)
        if online:
            self._last_online = ms
            self._online.set()
        elif self._online.is_set():
            self.gone = True
            self._online.clear()


def _read(payload: bytes) -> tuple[bool, int]:
    """[tck-id-host-topic-phid-birth-payload], [tck-id-host-topic-phid-death-payload]"""
    try:
        said = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"no JSON: {error}") from error
    match said:
        case {"online": bool(online), "timestamp": int(ms)} if not isinstance(ms, bool):
            return online, ms
    raise Malformed("no STATE: online and timestamp are missing")
