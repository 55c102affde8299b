"""The payloads that Home Assistant discovers devices by, held to what its documentation has.

Sources: home-assistant.io, integration MQTT ("Device discovery payload"); `schemas.py` and `abbreviations.py`
of its core, `sensor/const.py` for which units a device class takes.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from sitewarden.config.plan import Site
from sitewarden.config.sinks import Filter, Kind, MqttPlan
from sitewarden.config.site import load
from sitewarden.gateway.sinks.mqtt.discovery import Discovery

DEMO = Path(__file__).parents[2] / "config" / "demo" / "site.yaml"
PLAN = MqttPlan("broker", "localhost", home_assistant="homeassistant")
ROOT = "sitewarden/cuihu"
TOPIC = re.compile(r"homeassistant/device/[a-zA-Z0-9_-]+/config")

KEYS = {"dev", "o", "avty", "avty_mode", "cmps", "stat_t", "cmd_t", "qos", "e"}
DEVICE = {"ids", "cns", "name", "mf", "mdl", "mdl_id", "hw", "sw", "sn", "sa", "cu", "via_device"}
ORIGIN = {"name", "sw", "url"}
AVAILABILITY = {"t", "val_tpl", "pl_avail", "pl_not_avail"}
COMPONENT = {"p", "name", "uniq_id", "stat_t", "val_tpl", "ent_cat", "dev_cla", "exp_aft"}
PLATFORMS = {
    "sensor": COMPONENT | {"unit_of_meas", "stat_cla", "ops", "sug_dsp_prc"},
    "binary_sensor": COMPONENT | {"pl_on", "pl_off", "off_dly"},
}
UNITS = {
    "temperature": {"°C", "°F", "K"},
    "pressure": {"cbar", "bar", "hPa", "mmHg", "inHg", "inH₂O", "kPa", "mbar", "Pa", "psi", "mPa"},
    "volume_flow_rate": {"m³/h", "m³/min", "m³/s", "ft³/min", "L/h", "L/min", "L/s", "gal/min", "mL/s"},
    "power": {"mW", "W", "kW", "MW", "GW", "TW", "BTU/h"},
    "energy": {"J", "kJ", "MJ", "GJ", "mWh", "Wh", "kWh", "MWh", "GWh", "TWh", "cal", "kcal", "Mcal", "Gcal"},
    "voltage": {"V", "mV", "µV", "kV", "MV"},
    "current": {"A", "mA"},
    "frequency": {"Hz", "kHz", "MHz", "GHz"},
    "distance": {"km", "m", "cm", "mm", "mi", "nmi", "yd", "in", "ft"},
    "speed": {"ft/s", "in/d", "in/h", "in/s", "km/h", "kn", "m/s", "mph", "mm/d", "mm/s"},
    "duration": {"d", "h", "min", "s", "ms", "µs"},
    "sound_pressure": {"dB", "dBA"},
    "enum": {None},
}
COUNTED = {"energy", "volume"}  # may not be a `measurement`
UNIT_ANYWHERE = {"%", "rpm", "Ω", "m/s²"}

Payload = dict[str, Any]  # a JSON object


@cache
def demo() -> Site:
    return load(DEMO)


def payloads(site: Site, plan: MqttPlan = PLAN) -> dict[str, Payload]:
    told = Discovery(plan, ROOT, lambda: site, ()).payloads()
    return {name: json.loads(payload) for name, payload in told}


def components() -> list[tuple[str, Payload]]:
    return [each for payload in payloads(demo()).values() for each in payload["cmps"].items()]


def test_a_payload_has_the_documented_keys_and_no_other() -> None:
    for name, payload in payloads(demo()).items():
        assert TOPIC.fullmatch(name), name
        assert {"dev", "o", "cmps"} <= payload.keys() <= KEYS
        assert payload["dev"].keys() <= DEVICE
        assert payload["dev"]["ids"]
        assert "name" in payload["o"].keys() <= ORIGIN
        assert all("t" in each.keys() <= AVAILABILITY for each in payload["avty"])
        assert payload["avty_mode"] in ("all", "any", "latest")
        assert payload["cmps"]


def test_each_component_has_what_its_platform_takes() -> None:
    for name, it in components():
        assert {"p", "name", "uniq_id", "stat_t", "val_tpl"} <= it.keys() <= PLATFORMS[it["p"]], name
        assert not {"+", "#"} & set(it["stat_t"])


def test_device_classes_go_with_their_units_and_state_classes() -> None:
    for name, it in components():
        unit, device_class, state_class = (it.get(key) for key in ("unit_of_meas", "dev_cla", "stat_cla"))
        if device_class is None:
            assert unit is None or unit in UNIT_ANYWHERE, name
        else:
            assert unit in UNITS[device_class], name
        assert state_class != "measurement" or device_class not in COUNTED, name
        assert state_class is None or unit, name
        assert (device_class == "enum") == ("ops" in it), name


def test_ids_are_those_of_the_device_in_all_of_home_assistant() -> None:
    unique = [it["uniq_id"] for _, it in components()]
    assert len(set(unique)) == len(unique)
    elsewhere = Discovery(PLAN, "sitewarden/other", demo, ()).payloads()
    assert not {name for name, _ in elsewhere} & payloads(demo()).keys()


@pytest.mark.parametrize(("lang", "words"), [("zh", ("1号水泵", "电量")), ("en", ("Pump 1", "Energy"))])
def test_names_are_in_the_language_of_the_site(lang: str, words: tuple[str, str]) -> None:
    pump = payloads(replace(demo(), language=lang))["homeassistant/device/sitewarden_cuihu_pump-1/config"]
    assert (pump["dev"]["name"], pump["cmps"]["energy"]["name"]) == words
    assert pump["cmps"]["energy"]["dev_cla"] == "energy"
    assert pump["cmps"]["energy"]["stat_t"] == "sitewarden/cuihu/point/pump-1/energy"


def test_a_device_that_is_no_more_is_taken_back() -> None:
    site = demo()
    it = Discovery(PLAN, ROOT, lambda: site, ["tank", "gone"])
    names = [f"homeassistant/device/sitewarden_cuihu_{device}/config" for device in ("tank", "gone")]
    told: Mapping[str, bytes] = dict(it.payloads())
    assert (bool(told[names[0]]), told[names[1]]) == (True, b"")
    site = replace(site, links=())
    assert set(dict(it.payloads()).values()) == {b""}


def test_only_what_the_destination_is_given_is_announced() -> None:
    only = replace(PLAN, only=Filter(points=("tank.*",)))
    assert list(payloads(demo(), only)) == ["homeassistant/device/sitewarden_cuihu_tank/config"]
    assert not payloads(demo(), replace(PLAN, only=Filter(frozenset({Kind.ALARM}))))


def test_what_the_broker_is_not_told_makes_nothing_unavailable() -> None:
    only = replace(PLAN, only=Filter(frozenset({Kind.READING})))
    (payload, *_), (whole, *_) = payloads(demo(), only).values(), payloads(demo()).values()
    assert payload["avty"] == [{"t": f"{ROOT}/status"}]
    assert len(whole["avty"]) == 2


def test_without_a_prefix_home_assistant_is_not_told() -> None:
    it = Discovery(replace(PLAN, home_assistant=""), ROOT, demo, ["tank"])
    assert (it.filters, list(it.payloads())) == ([], [])
