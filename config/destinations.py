"""The section `sinks` to plans: secrets revealed, and what it refers to checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import urlsplit

from sitewarden.config.document import Document
from sitewarden.config.errors import did_you_mean, one_of
from sitewarden.config.shape import SiteFile
from sitewarden.config.sink_shape import FilterShape, InfluxShape, MqttShape, TlsShape
from sitewarden.config.sinks import CommandPlan, Filter, InfluxPlan, MqttPlan, Payload, SinkPlan
from sitewarden.config.tls import tls_files
from sitewarden.config.types import Hidden
from sitewarden.config.wires import Wires
from sitewarden.drivers.plan import Tls

MQTT, MQTT_TLS = 1883, 8883  # IANA's ports of MQTT, and of MQTT inside TLS
JSON_ONLY = ("home_assistant", "commands")
SPARKPLUG_ONLY = ("group", "primary_host")
ANY = "+"


def destinations(
    document: Document, file: SiteFile, folder: Path, environment: Mapping[str, str] | None, wires: Wires
) -> tuple[SinkPlan, ...]:
    """Every mistake is noted in the document. Without an environment the secrets are left where they are."""
    points = [
        f"{device}.{point.name}" for device, unit in wires.units.items() for point in unit.profile.points
    ]
    room = _Room(document, folder, environment, points, tuple(file.parking.lanes))
    return tuple(
        _influx(name, shape, room) if isinstance(shape, InfluxShape) else _mqtt(name, shape, room)
        for name, shape in file.sinks.items()
    )


def _influx(name: str, shape: InfluxShape, room: "_Room") -> InfluxPlan:
    loc = ("sinks", name)
    if shape.tls and urlsplit(shape.url).scheme != "https":
        room.document.wrong((*loc, "tls"), "this key only with a URL of https", at_key=True)
    return InfluxPlan(
        name,
        shape.url,
        version=shape.version,
        bucket=shape.bucket,
        org=shape.org,
        token=room.reveal(shape.token, *loc, "token"),
        batch=shape.batch,
        gzip=shape.gzip,
        timeout=shape.timeout,
        tls=room.tls(shape.tls, *loc, "tls"),
        only=room.only(shape.only, *loc, "only"),
        backlog=shape.backlog,
    )


def _mqtt(name: str, shape: MqttShape, room: "_Room") -> MqttPlan:
    loc = ("sinks", name)
    if shape.payload is Payload.SPARKPLUG:
        for key in shape.model_fields_set.intersection(JSON_ONLY):
            room.document.wrong((*loc, key), "this key only with the payload 'json'", at_key=True)
    else:
        for key in shape.model_fields_set.intersection(SPARKPLUG_ONLY):
            room.document.wrong((*loc, key), "this key only with the payload 'sparkplug'", at_key=True)
    for place, command in enumerate(shape.commands):
        room.lane(command.topic, *loc, "commands", place, "topic")
    return MqttPlan(
        name,
        shape.host,
        port=shape.port or (MQTT_TLS if shape.tls else MQTT),
        username=shape.username,
        password=room.reveal(shape.password, *loc, "password"),
        prefix=shape.prefix,
        tls=room.tls(shape.tls, *loc, "tls"),
        only=room.only(shape.only, *loc, "only"),
        backlog=shape.backlog,
        payload=shape.payload,
        home_assistant=shape.home_assistant,
        group=shape.group,
        primary_host=shape.primary_host,
        commands=tuple(CommandPlan(command.topic, command.role) for command in shape.commands),
    )


@dataclass(frozen=True, slots=True)
class _Room:
    """What a destination's keys refer to."""

    document: Document
    folder: Path
    environment: Mapping[str, str] | None
    points: list[str]
    lanes: tuple[str, ...]

    def reveal(self, secret: Hidden, *loc: str) -> str:
        """The secret itself; what keeps it from us is noted."""
        if self.environment is None:
            return ""
        if secret.env:
            if secret.env not in self.environment:
                self.document.wrong((*loc, "env"), f"the environment variable {secret.env} to be set")
            return self.environment.get(secret.env, "")
        if secret.file:
            try:
                return (self.folder / secret.file).read_text(encoding="utf-8").strip()
            except (OSError, ValueError):
                self.document.wrong((*loc, "file"), f"the file {secret.file} to be there and readable")
        return secret.plain

    def tls(self, shape: TlsShape | None, *loc: str) -> Tls | None:
        return tls_files(self.document, loc, shape, self.folder) if shape else None

    def only(self, shape: FilterShape, *loc: str) -> Filter:
        for place, pattern in enumerate(shape.points):
            if self.points and not any(fnmatchcase(point, pattern) for point in self.points):
                hint = did_you_mean(pattern, self.points)
                self.document.wrong((*loc, "points", place), "a pattern that fits a point", hint)
        return Filter(frozenset(shape.kinds), tuple(shape.points), shape.personal)

    def lane(self, topic: str, *loc: str | int) -> None:
        kind, name, _ = topic.split("/")
        if kind == "lane" and name != ANY and name not in self.lanes:
            expected = one_of(self.lanes) if self.lanes else "a lane of the site, which has none"
            self.document.wrong(loc, expected, did_you_mean(name, self.lanes))
