"""The dashboards are those that are described, and every query in them finds something."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from ruamel.yaml import YAML

from sitewarden.config.profile import SHIPPED, available, load_profile
from sitewarden.drivers.modbus.points import Point, Profile
from tests.gateway.demo_telemetry import START, demo
from tests.servers import Peer, get, influx_query, influxd, running
from tools.grafana.__main__ import DASHBOARDS, files
from tools.grafana.boards import BOARDS

SHOWN = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(DASHBOARDS.glob("*.json"))]
PROVISIONING = DASHBOARDS.parent / "provisioning"


def test_the_files_are_what_the_description_makes() -> None:
    assert {path: path.read_text(encoding="utf-8") for path in DASHBOARDS.iterdir()} == files()


def test_each_is_there_once() -> None:
    assert len({board["uid"] for board in SHOWN}) == len(SHOWN) == 6
    for board in SHOWN:
        assert board["schemaVersion"] == 42
        numbers = [panel["id"] for panel in board["panels"]]
        assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("board", SHOWN, ids=lambda board: board["uid"])
def test_no_panel_lies_on_another(board: dict[str, Any]) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        columns = range(place["x"], place["x"] + place["w"])
        cells = {(x, y) for x in columns for y in range(place["y"], place["y"] + place["h"])}
        assert columns.stop <= 24
        assert not cells & taken
        taken |= cells


def test_what_grafana_is_provisioned_with_can_be_read() -> None:
    (source,) = YAML(typ="safe").load(PROVISIONING / "datasources" / "sitewarden.yaml")["datasources"]
    (provider,) = YAML(typ="safe").load(PROVISIONING / "dashboards" / "sitewarden.yaml")["providers"]
    chosen = {board["templating"]["list"][0]["current"]["value"] for board in SHOWN}
    assert chosen == {source["uid"]}
    assert (source["type"], provider["type"]) == ("influxdb", "file")


UNITS = {
    "pressurebar": "bar",
    "lengthm": "m",
    "suffix: m³/h": "m³/h",
    "rotrpm": "rpm",
    "hertz": "Hz",
    "amp": "A",
    "celsius": "°C",
    "h": "h",
    "kwatth": "kWh",
    "velocityms": "m/s",
    "accMS2": "m/s²",
    "dB": "dB",
    "ohm": "Ω",
    "short": "",
    "watt": "W",
}
POINTS = re.compile(r'"point" =~ /\^\(([^/]+)\)\$/')
COUNTED = re.compile(r"\"point\" = '(\w+)' AND \"unit\" = '([^']+)'")


def shown() -> Iterator[tuple[Profile, Point, str]]:
    """Every point that a panel of numbers shows, with the panel's unit."""
    profiles = [load_profile(name, (SHIPPED,)) for name in available((SHIPPED,))]
    for board in BOARDS:
        variables = {each.name: each.influxql for each in board.variables}
        kind = POINTS.search(variables.get("device", ""))
        units = {
            f"${name}$": found[2] for name, asked in variables.items() if (found := COUNTED.search(asked))
        }
        ours = [
            it for it in profiles if kind and any(re.fullmatch(kind[1], point.name) for point in it.points)
        ]
        for panel in (it for it in board.panels if it.kind == "timeseries"):
            for query in (it.influxql for it in panel.queries):
                names = POINTS.search(query)
                only = next((unit for name, unit in units.items() if name in query), None)
                for profile, point in ((it, point) for it in ours for point in it.points):
                    if names and re.fullmatch(names[1], point.name) and only in (None, point.unit):
                        yield profile, point, "kW" if "* 1000" in query else UNITS[panel.look.unit]


def test_a_panel_has_the_unit_of_every_profile_whose_points_it_shows() -> None:
    checked = [(profile.name, point.name, point.unit, unit) for profile, point, unit in shown()]
    assert [each for each in checked if each[2] != each[3]] == []
    assert len(checked) > 30
    assert {unit for _, name, unit, _ in checked if name == "power"} == {"W", "kW"}


# -- against a server ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    with running(influxd(tmp_path_factory.mktemp("influx"))) as peer:
        get(f"{peer.url}/query?q=CREATE+DATABASE+sitewarden", b"")
        get(f"{peer.url}/write?db=sitewarden", b"\n".join([*demo().lines, *a_drive()]))
        yield peer


def a_drive() -> list[bytes]:
    """The demo has no pump that tells its power in kW."""
    ns = int(START.wall.timestamp()) * 1_000_000_000
    series = b"site=cuihu,device=drive-1,point=power"
    return [
        b'point,%b,profile=danfoss-fc,unit=kW title="Drive" %d' % (series, ns),
        b'reading,%b value=1.5,quality="good" %d' % (series, ns),
        b'reading,site=cuihu,device=drive-1,point=running state=true,quality="good" %d' % ns,
    ]


def filled_in(query: str, variables: dict[str, str]) -> str:
    """As Grafana does it: several values of a variable become alternatives."""
    begun = int(START.wall.timestamp())
    whole = f"time >= {begun - 60}s AND time <= {demo().last + 1}"
    query = query.replace("$timeFilter", whole).replace("$__interval", "30s")
    for name, value in variables.items():
        query = query.replace(f"${name}", value)
    assert "$" not in query.replace("$/", "/")
    return query


def choices(peer: Peer, board: dict[str, Any]) -> dict[str, str]:
    chosen: dict[str, str] = {}
    for variable in board["templating"]["list"][1:]:
        rows = influx_query(peer, filled_in(variable["query"], chosen))
        values = sorted({re.escape(str(row[1])) for row in rows})
        assert values, variable["name"]
        chosen[variable["name"]] = f"({'|'.join(values)})"
    return chosen


@pytest.mark.server
@pytest.mark.slow
@pytest.mark.parametrize("board", SHOWN, ids=lambda board: board["uid"])
def test_every_query_finds_something(filled: Peer, board: dict[str, Any]) -> None:
    chosen = choices(filled, board)
    annotations = [(each["name"], each["target"]["query"]) for each in board["annotations"]["list"]]
    targets = [(panel["title"], each["query"]) for panel in board["panels"] for each in panel["targets"]]
    for title, query in annotations + targets:
        rows = influx_query(filled, filled_in(query, chosen))
        assert any(value is not None for row in rows for value in row[1:]), f"{title}: {query}"


@pytest.mark.server
@pytest.mark.slow
def test_each_kind_of_device_has_its_own_page(filled: Peer) -> None:
    found = {board["uid"]: choices(filled, board).get("device") for board in SHOWN}
    assert found["sitewarden-pumps"] == r"(drive\-1|pump\-1|pump\-2|tank)"
    assert found["sitewarden-lifts"] == r"(lift\-a)"
    assert found["sitewarden-fire"] == r"(io\-fire)"
