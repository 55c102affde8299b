"""Home Assistant's MQTT discovery: one retained payload a device, with a component a point.

Source: the MQTT integration's documentation ("Device discovery payload", "Birth and last will messages") and
its `abbreviations.py`, `schemas.py`; the sensor integration's table of device classes and their units. What
has a unit that no device class knows is a number with that unit and no class.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import version

from sitewarden.config.plan import Site
from sitewarden.config.sinks import MqttPlan
from sitewarden.drivers.modbus.points import Kind, Point, Unit
from sitewarden.drivers.plan import BusPlan
from sitewarden.gateway.catalogue import pick
from sitewarden.gateway.sinks.lines import head
from sitewarden.gateway.sinks.mqtt.topics import level
from sitewarden.gateway.sinks.sieve import Sieve
from sitewarden.gateway.words import Words, decimals

BIRTH = b"online"

_MEASURED, _COUNTED = "measurement", "total_increasing"

_CLASSES: Mapping[str, tuple[str, str]] = {
    unit: (device_class, state_class)
    for device_class, state_class, units in (
        ("temperature", _MEASURED, "°C °F K"),
        ("pressure", _MEASURED, "Pa hPa kPa mbar bar psi mmHg"),
        ("volume_flow_rate", _MEASURED, "m³/h m³/min m³/s L/h L/min L/s"),
        ("power", _MEASURED, "W kW MW"),
        ("apparent_power", _MEASURED, "VA kVA"),
        ("reactive_power", _MEASURED, "var kvar"),
        ("energy", _COUNTED, "Wh kWh MWh GWh"),
        ("voltage", _MEASURED, "mV V kV"),
        ("current", _MEASURED, "mA A"),
        ("frequency", _MEASURED, "Hz kHz"),
        ("distance", _MEASURED, "mm cm m km"),
        ("speed", _MEASURED, "mm/s m/s km/h"),
        ("volume", _COUNTED, "m³ L"),
        ("duration", _MEASURED, "ms s min"),
        ("duration", _COUNTED, "h"),  # running hours
        ("sound_pressure", _MEASURED, "dB dBA"),
    )
    for unit in units.split()
}

_GOOD = "value_json.value if value_json.quality == 'good' else none"
_SAFE = re.compile(r"[^A-Za-z0-9_-]")  # what an identifier in a discovery topic cannot have

Component = Mapping[str, object]


class Discovery:
    """Remembers which devices it told of, and takes back those that the site has no longer."""

    def __init__(self, plan: MqttPlan, root: str, site: Callable[[], Site], devices: Iterable[str]) -> None:
        """`devices` are those that may have been told of so far."""
        self._prefix, self._root, self._site = plan.home_assistant, root, site
        self._sieve = Sieve(plan.only)
        self._told = dict.fromkeys(map(self._topic, devices)) if self._prefix else {}

    @property
    def filters(self) -> list[str]:
        """Where Home Assistant says that it is there."""
        return [f"{self._prefix}/status"] if self._prefix else []

    def payloads(self) -> Iterator[tuple[str, bytes]]:
        """Topics and what they are to retain; nothing: the device is no more."""
        there = dict(self._devices())
        self._told |= dict.fromkeys(there)
        for name in self._told:
            yield name, there.get(name, b"")

    def _devices(self) -> Iterator[tuple[str, bytes]]:
        if not self._prefix:
            return
        site = self._site()
        words = Words(site, site.language)
        for link in site.links:
            for unit in link.wire.units if isinstance(link.wire, BusPlan) else ():
                points = [point for point in unit.profile.points if self._wanted(unit.device, point)]
                if points:
                    device = self._device(words, unit, points)
                    text = json.dumps(device, ensure_ascii=False, separators=(",", ":"))
                    yield self._topic(unit.device), text.encode()

    def _wanted(self, device: str, point: Point) -> bool:
        line = head("reading", site=self._site().id, device=device, point=point.name) + "value=0 0"
        return bool(self._sieve.sift([line.encode()]))

    def _topic(self, device: str) -> str:
        return f"{self._prefix}/device/{self._id(device)}/config"

    def _id(self, device: str) -> str:
        """In all of Home Assistant."""
        return _SAFE.sub("_", f"{self._root}_{device}")

    def _device(self, words: Words, unit: Unit, points: list[Point]) -> Component:
        return {
            "dev": {
                "ids": [self._id(unit.device)],
                "name": words.title(unit.device),
                "mdl": unit.profile.title or unit.profile.name,
            },
            "o": {"name": "Sitewarden", "sw": version("sitewarden")},
            "avty": [{"t": f"{self._root}/status"}, *self._there(unit.device)],
            "avty_mode": "all",
            "qos": 1,
            "cmps": {_SAFE.sub("_", point.name): self._component(words, unit, point) for point in points},
        }

    def _there(self, device: str) -> list[Component]:
        """Whether the device itself can be reached, if the broker is told: for want of that topic nothing
        would ever be available."""
        line = head("device", site=self._site().id, device=device) + "up=true 0"
        about = {
            "t": f"{self._root}/device/{level(device)}",
            "val_tpl": "{{ 'online' if value_json.up else 'offline' }}",
        }
        return [about] if self._sieve.sift([line.encode()]) else []

    def _component(self, words: Words, unit: Unit, point: Point) -> Component:
        common = {
            "name": words.point(f"{unit.device}.{point.name}"),
            "uniq_id": f"{self._id(unit.device)}_{point.name}",
            "stat_t": f"{self._root}/point/{level(unit.device)}/{level(point.name)}",
            **({"ent_cat": "diagnostic"} if point.setting else {}),
        }
        match point.kind:
            case Kind.BOOL | Kind.BIT:
                state = f"{{{{ iif({_GOOD}, 'ON', 'OFF', 'None') }}}}"
                return {"p": "binary_sensor", **common, "val_tpl": state}
            case Kind.ENUM:
                return {"p": "sensor", **common, **_named(words, point)}
        return {"p": "sensor", **common, "val_tpl": f"{{{{ {_GOOD} }}}}", **_number(point)}


def _named(words: Words, point: Point) -> Component:
    names = {str(number): pick(name, words.lang, str(number)) for number, name in point.names.items()}
    table = json.dumps(names, ensure_ascii=False)
    return {
        "val_tpl": f"{{{{ {table}.get(({_GOOD}) | int(-1) | string) }}}}",
        "dev_cla": "enum",
        "ops": list(dict.fromkeys(names.values())),
    }


def _number(point: Point) -> Component:
    """Its unit and what Home Assistant makes of it. Without a unit a number is a text there."""
    if not point.unit:
        return {}
    device_class, state_class = _CLASSES.get(point.unit, ("", _MEASURED))
    told: dict[str, object] = {"unit_of_meas": point.unit, "sug_dsp_prc": decimals(point)}
    if device_class:
        told["dev_cla"] = device_class
    if not point.setting:
        told["stat_cla"] = state_class
    return told
