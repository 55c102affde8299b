"""From the answer in which a supervised line shows fire to the command that sets the barriers' relays."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from statistics import median
from time import perf_counter

from sitewarden.config.site import Site
from sitewarden.drivers.engine import Engine, Send, Todo
from sitewarden.drivers.plan import build
from sitewarden.gateway.cli.common import Failure
from sitewarden.gateway.cli.remote import Gateway
from sitewarden.rules.core import Core
from sitewarden.simulators.modbus_slave import ModbusSlave
from tests.bench.backlog import SINK, fill, swallower
from tests.bench.field import Exchange, Field, twins
from tests.bench.installation import Installation, folder
from tests.bench.measure import Figure
from tests.bench.stream import at

MODULES, LANES = 4, 32  # eight relays a module, each module on a bus of its own
NORMAL, FIRE = 2200.0, 800.0  # ohm
ENGINES, FIRES = 60, 20
BACKLOG = 20_000_000  # lines, more than can leave meanwhile
SILENCE = 0.002  # s that a line rests between two frames
PARTS = """\
links:
  panel: {{serial: ports/panel, baud: 115200}}
{links}
devices:
  lines: {{link: panel, unit: 1, profile: supervised-input-4, scan: {{fast: 50ms}}}}
{devices}
parking:
  lanes:
{lanes}
fire:
  panel:
    point: lines.line1
    debounce: 0s
    bands: {{short: [0, 300], fire: [500, 1200], normal: [1800, 2600], open: [6000, 1000000]}}
"""


def figures() -> Iterator[Figure]:
    with folder() as path:
        installation = Installation(path, _text())
        inside = sorted(_inside(installation.site) for _ in range(ENGINES))
        live = sorted(_live(installation))
    with folder() as path, swallower() as server:
        installation = Installation(path, _text() + SINK.format(port=server.port))
        fill(installation.site, BACKLOG)
        drained = sorted(_live(installation))
    outputs = f"{LANES} barriers on {MODULES} buses, no debounce"
    note = f"{outputs}; the engine alone, bytes in to all bytes out"
    yield Figure("fire.contact_to_all_outputs_engine", median(inside) * 1e3, "ms", note=note)
    note = f"{outputs}; a real gateway on pseudo-terminals"
    yield Figure("fire.contact_to_all_outputs_p50", median(live) * 1e3, "ms", note=note)
    yield Figure("fire.contact_to_all_outputs_slowest", live[-1] * 1e3, "ms", note=f"of {FIRES} fires")
    note = f"{server.lines:,} lines of backlog leave meanwhile; baseline: none do"
    for name, value, baseline in (
        ("p50", median(drained), median(live)),
        ("slowest", drained[-1], live[-1]),
    ):
        yield Figure(
            f"fire.contact_to_all_outputs_draining_{name}", value * 1e3, "ms", baseline * 1e3, note=note
        )


def _text() -> str:
    modules, lanes = range(1, MODULES + 1), range(1, LANES + 1)
    each = LANES // MODULES
    rows = {
        "links": [f"  bus-{n}: {{serial: ports/bus-{n}, baud: 115200}}" for n in modules]
        + [f"  gate-{n}: {{serial: ports/gate-{n}}}" for n in lanes],
        "devices": [
            f"  io-{n}: {{link: bus-{n}, unit: 1, profile: relay-8in-8out, scan: {{fast: 2s}}}}"
            for n in modules
        ]
        + [f"  reader-{n}: {{link: gate-{n}, driver: rdm6300}}" for n in lanes],
        "lanes": [
            f"    lane-{n}: {{direction: in, reader: reader-{n}, barrier:"
            f" {{device: io-{1 + (n - 1) // each}, open: out{1 + (n - 1) % each},"
            f" loop_under: in{1 + (n - 1) % each}}}}}"
            for n in lanes
        ],
    }
    return PARTS.format(**{key: "\n".join(lines) for key, lines in rows.items()})


# -- the engine alone ----------------------------------------------------------------------------


def _inside(site: Site) -> float:
    """s that the engine takes from the answer's bytes to the last of the relays' requests."""
    slaves, shown = twins(site)
    shown["lines"].now["line1"] = NORMAL
    engine = Engine(Core(site.plan), {link.name: partial(build, link) for link in site.links})
    for link in site.links:
        _settle(engine, slaves, engine.connected(link.name, at(0.0)), 0.0)
    _settle(engine, slaves, engine.woken(at(1.0)), 1.0)
    shown["lines"].now["line1"] = FIRE
    asked = next(part for part in engine.woken(at(1.5)) if isinstance(part, Send))
    (answer,) = slaves[asked.link].received(asked.data, at(1.5))
    begun = perf_counter()
    todo = engine.received(asked.link, answer, at(1.5))
    took = perf_counter() - begun
    told = [part for part in todo if isinstance(part, Send) and Exchange("", part.data, 0, 0).switches_on]
    if len(told) != MODULES:
        raise AssertionError(f"{len(told)} of {MODULES} modules were told")
    return took


def _settle(engine: Engine, slaves: Mapping[str, ModbusSlave], todo: list[Todo], seconds: float) -> None:
    """Answers whatever is asked until nothing is."""
    while sent := [part for part in todo if isinstance(part, Send)]:
        todo = []
        for part in sent:
            seconds += SILENCE
            for answer in slaves[part.link].received(part.data, at(seconds)):
                todo += engine.received(part.link, answer, at(seconds))
        todo += engine.woken(at(seconds + SILENCE))


# -- a real gateway ------------------------------------------------------------------------------


def _live(installation: Installation) -> Iterator[float]:
    """s of each of so many fires; between them all is well again, and an operator has reset."""
    with ExitStack() as end:
        field = Field(installation.site)
        end.callback(field.close)
        field.shown["lines"].now["line1"] = NORMAL
        end.enter_context(installation.running())
        _until_up(installation, field)
        for _ in range(FIRES):
            yield field.burn("lines", "line1", FIRE, MODULES)
            field.rest(0.1)
            field.shown["lines"].now["line1"] = NORMAL
            field.rest(0.2)
            Gateway(installation.config).ask("POST", "/fire/reset")
            field.rest(0.2)


def _until_up(installation: Installation, field: Field) -> None:
    end = perf_counter() + 20.0
    while perf_counter() < end:
        field.rest(0.2)
        try:
            devices = Gateway(installation.config).ask("GET", "/devices")
        except Failure:  # it has not opened its door yet
            continue
        if all(device["up"] for device in devices):
            return
    raise TimeoutError("the gateway did not reach all devices within 20 s")
