"""The little that a command has to know of a site, without checking all of it.

Issuing a card must not fail for a broken alarm rule, nor for a secret that only the gateway may read.
"""

from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

from sitewarden.config.document import read
from sitewarden.config.errors import ConfigErrors


@dataclass(frozen=True, slots=True)
class Glance:
    data: Path
    zone: ZoneInfo
    lanes: tuple[str, ...]
    exits: tuple[str, ...]  # of the lanes
    private_spaces: tuple[str, ...]
    readers: tuple[str, ...]  # the kinds of card readers that there are
    url: str  # of the page


def glance(path: Path) -> Glance:
    """Raises ConfigErrors if even this little cannot be read."""
    document = read(path)
    data, zone = document.get("data") or "data", document.get("site", "timezone")
    if not isinstance(data, str):
        document.wrong(("data",), "a text")
    if zone not in available_timezones():
        document.wrong(("site", "timezone"), "a time zone such as 'Asia/Shanghai'")
    spaces = document.get("parking", "private_spaces") or []
    if not isinstance(spaces, list):
        document.wrong(("parking", "private_spaces"), "a list of names")
        spaces = []
    if document.errors:
        raise ConfigErrors(document.errors)
    host, port = document.get("http", "host") or "127.0.0.1", document.get("http", "port") or 8080
    lanes = document.names("parking", "lanes")
    return Glance(
        path.absolute().parent / str(data),
        ZoneInfo(str(zone)),
        tuple(lanes),
        tuple(lane for lane in lanes if document.get("parking", "lanes", lane, "direction") == "out"),
        tuple(map(str, spaces)),
        tuple(str(document.get("devices", name, "driver") or "") for name in document.names("devices")),
        f"http://{host}:{port}",
    )
