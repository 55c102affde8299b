"""A site as one immutable value: what `site.load` makes of a configuration."""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from sitewarden.config.sinks import SinkPlan
from sitewarden.drivers.plan import LinkPlan
from sitewarden.rules.plan import SitePlan


@dataclass(frozen=True, slots=True)
class HttpPlan:
    host: str = "127.0.0.1"
    port: int = 8080

    @property
    def url(self) -> str:
        """Of the page, as this machine reaches it."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @property
    def is_local(self) -> bool:
        """Whether nobody but this machine can connect."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host.lower() == "localhost"


@dataclass(frozen=True, slots=True)
class SpoolPlan:
    most: int  # bytes
    keep: float = 0.0  # s that what every destination has is kept, if there is room


@dataclass(frozen=True, slots=True)
class Site:
    id: str
    name: Mapping[str, str]  # language -> the site's name
    language: str  # "zh" or "en": what a person sees who has not chosen
    plan: SitePlan
    links: tuple[LinkPlan, ...]
    sinks: tuple[SinkPlan, ...]
    http: HttpPlan
    spool: SpoolPlan
    titles: Mapping[str, Mapping[str, str]]  # device, lane or panel -> language -> what it is called
    commit_limit: float  # s a granted passage waits for its record
    data: Path  # the folder of the journal, the spool and the trend
    source: Path  # the file that all of this came from
