"""What a dashboard is made of, as Grafana's classic model has it.

Source: dashboard JSON model, schema version 42, the last of the classic ones: Grafana 12 and 13 read it as it
is, and older ones from 8 on leave out what they do not know. Queries are InfluxQL.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

Json = Mapping[str, object]

SCHEMA = 42
WIDTH = 24  # columns of a dashboard
SOURCE: Json = {"type": "influxdb", "uid": "${datasource}"}
GREEN, AMBER, RED, BLUE, GREY = "green", "orange", "red", "blue", "text"


@dataclass(frozen=True, slots=True)
class Query:
    influxql: str
    alias: str = ""  # "$tag_device": the tags that tell its series apart


@dataclass(frozen=True, slots=True)
class Look:
    """`steps`: colours from a value on, the first from below everything. `words`: values in words."""

    unit: str = ""  # Grafana's id, or "suffix: m³/h"
    steps: tuple[tuple[float | None, str], ...] = ((None, GREEN),)
    words: Mapping[str, tuple[str, str]] = field(default_factory=dict)  # value -> text, colour
    least: float | None = None
    most: float | None = None
    decimals: int | None = None
    width: int = 12
    height: int = 8


@dataclass(frozen=True, slots=True)
class Panel:
    title: str
    kind: str  # stat, timeseries, state-timeline, table
    queries: tuple[Query, ...]
    look: Look


@dataclass(frozen=True, slots=True)
class Variable:
    name: str
    label: str
    influxql: str
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Annotation:
    name: str
    influxql: str
    text: str  # the columns that are shown
    tags: str
    colour: str


@dataclass(frozen=True, slots=True)
class Dashboard:
    uid: str
    title: str
    variables: tuple[Variable, ...]
    panels: tuple[Panel, ...]
    span: str = "now-6h"


def dashboard(board: Dashboard, annotations: Sequence[Annotation]) -> Json:
    return {
        "uid": board.uid,
        "title": board.title,
        "tags": ["sitewarden"],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,  # one crosshair for all panels
        "refresh": "30s",
        "time": {"from": board.span, "to": "now"},
        "timezone": "browser",
        "links": [
            {"type": "dashboards", "tags": ["sitewarden"], "title": "", "asDropdown": False, "keepTime": True}
        ],
        "annotations": {"list": [_annotation(each) for each in annotations]},
        "templating": {"list": [_SOURCES, *map(_variable, board.variables)]},
        "panels": list(_placed(board.panels)),
    }


_SOURCES: Json = {
    "name": "datasource",
    "label": "Data source 数据源",
    "type": "datasource",
    "query": "influxdb",
    "current": {"text": "Sitewarden", "value": "sitewarden"},
    "refresh": 1,
}


def _variable(variable: Variable) -> Json:
    return {
        "name": variable.name,
        "label": variable.label,
        "type": "query",
        "datasource": SOURCE,
        "query": variable.influxql,
        "definition": variable.influxql,
        "refresh": 2,  # with the time range: a device may be new
        "sort": 7,  # natural: pump-2 before pump-10
        "multi": True,
        "includeAll": True,
        "current": {"text": "All", "value": "$__all"},
        "hide": 2 if variable.hidden else 0,
    }


def _annotation(annotation: Annotation) -> Json:
    return {
        "name": annotation.name,
        "datasource": SOURCE,
        "enable": True,
        "iconColor": annotation.colour,
        "target": {
            "refId": "Anno",
            "name": annotation.name,
            "query": annotation.influxql,
            "rawQuery": True,
            "fromAnnotations": True,
            "textColumn": annotation.text,
            "tagsColumn": annotation.tags,
        },
    }


def _placed(panels: Sequence[Panel]) -> Iterator[Json]:
    """From left to right, a new row where the width is used up."""
    x = y = height = 0
    for number, panel in enumerate(panels, 1):
        look = panel.look
        if x + look.width > WIDTH:
            x, y, height = 0, y + height, 0
        yield _panel(panel, number, {"x": x, "y": y, "w": look.width, "h": look.height})
        x, height = x + look.width, max(height, look.height)


def _panel(panel: Panel, number: int, place: Json) -> Json:
    look = panel.look
    defaults: dict[str, object] = {
        "unit": look.unit,
        "color": {"mode": "palette-classic" if panel.kind == "timeseries" else "thresholds"},
        "thresholds": {
            "mode": "absolute",
            "steps": [{"value": value, "color": colour} for value, colour in look.steps],
        },
        "mappings": [_mapping(look.words)] if look.words else [],
        "custom": _CUSTOM.get(panel.kind, {}),
    }
    defaults |= {
        key: value
        for key, value in (("min", look.least), ("max", look.most), ("decimals", look.decimals))
        if value is not None
    }
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "gridPos": place,
        "datasource": SOURCE,
        "targets": [
            _target(panel, query, letter) for letter, query in zip("ABCDEF", panel.queries, strict=False)
        ],
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": _OPTIONS[panel.kind],
    }


def _target(panel: Panel, query: Query, letter: str) -> Json:
    return {
        "refId": letter,
        "datasource": SOURCE,
        "rawQuery": True,
        "query": query.influxql,
        "alias": query.alias,
        "resultFormat": "table" if panel.kind == "table" else "time_series",
    }


def _mapping(words: Mapping[str, tuple[str, str]]) -> Json:
    return {
        "type": "value",
        "options": {
            value: {"text": text, "color": colour, "index": index}
            for index, (value, (text, colour)) in enumerate(words.items())
        },
    }


_LEGEND: Json = {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []}
_OPTIONS: Mapping[str, Json] = {
    "stat": {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "/^(?!time$)/i", "values": False},
        "colorMode": "background",
        "graphMode": "none",
        "textMode": "auto",
    },
    "timeseries": {"legend": _LEGEND, "tooltip": {"mode": "multi", "sort": "desc"}},
    "state-timeline": {"legend": {**_LEGEND, "showLegend": False}, "mergeValues": True, "rowHeight": 0.8},
    "table": {"showHeader": True, "sortBy": [{"displayName": "Time", "desc": True}]},
}
_CUSTOM: Mapping[str, Json] = {
    # What is told only when it changes is joined across the silence in between.
    "timeseries": {
        "drawStyle": "line",
        "lineInterpolation": "stepAfter",
        "lineWidth": 1,
        "fillOpacity": 5,
        "showPoints": "never",
        "spanNulls": True,
        "thresholdsStyle": {"mode": "line"},
    },
    "state-timeline": {"fillOpacity": 80, "lineWidth": 0, "spanNulls": True},
    "table": {"align": "auto", "filterable": True},
}
