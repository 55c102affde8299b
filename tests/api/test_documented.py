"""docs/api.md says what the program does: every address, who may, every parameter, example and error code."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts

from sitewarden.gateway.api import models
from sitewarden.gateway.api.access import ALLOWED, Needs, Permission
from sitewarden.gateway.api.app import create_app
from sitewarden.gateway.api.live import Happening
from sitewarden.gateway.sinks.lines import Lines
from sitewarden.gateway.sinks.mqtt.topics import topic
from sitewarden.gateway.sinks.parse import parse
from sitewarden.gateway.tokens import Role
from sitewarden.rules.model import (
    Alarm,
    AlarmChange,
    AlarmState,
    Decision,
    Direction,
    Effect,
    FireChange,
    FireStage,
    LinkChanged,
    Passage,
    Quality,
    Reading,
    Reason,
    Severity,
    Stamp,
    Verdict,
    Why,
)
from tests.api.small_house import SmallHouse

ROOT = Path(__file__).parents[2]
DOCS = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
BESIDE = ("/metrics", "/livez", "/readyz")  # not below /api/v1, and no page

EXAMPLES: dict[str, type[models.Model]] = {
    "Opening": models.OpenIn,
    "Writing": models.WriteIn,
    "Issuing": models.CardIn,
    "Altering": models.CardPatch,
    "Recording": models.RecordIn,
    "Draining": models.DrainIn,
    "Letters": models.DeadLettersIn,
    "The site": models.SiteOut,
    "A point": models.PointOut,
    "A device": models.DeviceOut,
    "A lane": models.LaneOut,
    "A decision": models.DecisionOut,
    "A passage": models.PassageOut,
    "A write": models.WriteOut,
    "An alarm": models.AlarmOut,
    "A change of an alarm": models.AlarmChangeOut,
    "A card": models.CardOut,
    "A trend": models.TrendOut,
    "The telemetry": models.TelemetryOut,
    "A gap": models.LossOut,
    "A dead letter": models.DeadLetterOut,
    "A recording": models.RecordOut,
    "Reading": models.ReadingOut,
    "Device": models.DeviceChangeOut,
    "Fire": models.FireChangeOut,
}


BODIES = {title for title, model in EXAMPLES.items() if model.__name__.endswith(("In", "Patch"))}


def section(title: str) -> str:
    """The text below a heading, as far as the next one."""
    found = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#|\Z)", DOCS, re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]


def rows(title: str) -> Iterator[list[str]]:
    table = [line for line in section(title).splitlines() if line.startswith("|")]
    for line in table[2:]:
        yield [cell.strip() for cell in line.strip("|").split("|")]


def queries(dependant: Dependant) -> set[str]:
    return {param.alias for param in dependant.query_params}.union(*map(queries, dependant.dependencies))


def needs(dependant: Dependant) -> str:
    for each in dependant.dependencies:
        if isinstance(each.call, Needs):
            return ", ".join(role for role in Role if each.call.permission in ALLOWED[role])
    return "anybody"


def test_addresses_roles_and_parameters_are_those_of_the_program(house: SmallHouse) -> None:
    served = {}
    for route in iter_route_contexts(create_app(house).routes):
        path = (route.path or "").replace(":path}", "}")
        if path.startswith("/api/v1/") or path in BESIDE:
            for method in route.methods or ():
                served[method, path] = needs(route.dependant), queries(route.dependant)
    documented = {}
    for method, path, who, query, _ in rows("Addresses"):
        bare = path.strip("`")
        whole = bare if bare in BESIDE else f"/api/v1{bare}"
        documented[method, whole] = who, set(re.findall(r"`(\w+)`", query))
    assert documented == served


READMES = ("README.md", "README.zh.md")
COLUMNS = (
    Permission.READ,
    Permission.PERSONAL,
    Permission.FORGIVE,
    Permission.ACKNOWLEDGE,
    Permission.CARDS,
    Permission.CONFIGURE,
)


@pytest.mark.parametrize("readme", READMES)
def test_the_roles_of_the_readme_are_those_of_the_program(readme: str) -> None:
    text = (ROOT / readme).read_text(encoding="utf-8")
    for role in Role:
        (line,) = re.findall(rf"^\| `{role}`[^|]*\|(.*)\|$", text, re.MULTILINE)
        ticked = {what for what, cell in zip(COLUMNS, line.split("|"), strict=True) if "✓" in cell}
        assert ticked == ALLOWED[role] & set(COLUMNS), role
    assert ALLOWED[Role.GUARD] >= {Permission.OPEN, Permission.RESET_FIRE}
    assert "(docs/api.md)" in text


def test_every_error_code_is_listed_with_its_status() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "gateway").rglob("*.py"))
    raised = {(status, code) for status, code in re.findall(r'[Pp]roblem\(\s*(\d{3}),\s*"(\w+)"', sources)}
    assert len(raised) > 20
    listed = {(status, code) for status, codes in rows("Errors") for code in re.findall(r"`(\w+)`", codes)}
    assert listed == raised | {("400", "refused"), ("405", "method_not_allowed")}


@pytest.mark.parametrize("title", EXAMPLES)
def test_an_example_has_the_shape_of_its_model(title: str) -> None:
    (example,) = re.findall(r"```json\n(.*?)```", section(title), re.DOTALL)
    model = EXAMPLES[title].model_validate_json(example)
    if title not in BODIES:
        assert set(json.loads(example)) == set(type(model).model_fields)


def test_every_model_that_is_asked_or_answered_has_an_example() -> None:
    mine = [
        model
        for model in vars(models).values()
        if isinstance(model, type) and issubclass(model, models.Model)
    ]
    named = {model for model in mine if model.__name__.endswith(("In", "Out", "Patch"))}
    parts = {models.PageOut, models.BucketOut, models.ReloadOut, models.DestinationOut, models.SpoolOut}
    assert named - parts == set(EXAMPLES.values())


def test_every_event_is_listed() -> None:
    listed = {name.strip("`") for name, _ in rows("The stream")}
    assert listed == {*Happening, "gap", "beat"}


AT = Stamp(datetime(2026, 11, 23, 13, 22, tzinfo=UTC), 1.0)
ALARM = Alarm(
    "tank-low", "condition", Severity.HIGH, AlarmState.UNACKNOWLEDGED, AT, "tank.level", {"value": 0.7}
)
TOLD: tuple[Effect, ...] = (
    Reading("tank.level", 1.84, AT, Quality.GOOD),
    LinkChanged("pump-1", False, AT, Reason.TIMEOUT),
    AlarmChange(ALARM, AlarmState.NORMAL, AT),
    FireChange(FireStage.NORMAL, FireStage.FIRE, AT, "panel"),
    Decision("entrance", "01000734E0", Verdict.GRANTED, Why.PERMIT, AT, Direction.IN),
    Passage("entrance", "01000734E0", Direction.IN, AT),
)


def test_what_mqtt_is_told_is_as_written() -> None:
    listed = {name.strip("`"): (kept, payload.strip("`")) for name, kept, payload in rows("MQTT")}
    del listed["status"]
    records = [parse(line) for _, line in Lines("cuihu").format(TOLD)]
    told = {each.name: each for each in map(topic, records)}
    assert listed.keys() == told.keys()
    for name, (kept, payload) in listed.items():
        assert (kept == "yes") is told[name].state, name
        assert json.loads(payload).keys() == json.loads(told[name].payload).keys(), name
