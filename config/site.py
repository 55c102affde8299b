"""A site from one YAML file. `load` is the door of this folder."""

import os
from collections.abc import Mapping
from pathlib import Path

from sitewarden.config.destinations import destinations
from sitewarden.config.document import Document, Loc, Plain, read
from sitewarden.config.errors import ConfigError, ConfigErrors
from sitewarden.config.explain import schema_of, shaped
from sitewarden.config.plan import HttpPlan, Site, SpoolPlan
from sitewarden.config.rooms import site_plan
from sitewarden.config.shape import SiteFile
from sitewarden.config.wires import wires

__all__ = ["ConfigError", "ConfigErrors", "HttpPlan", "Site", "SpoolPlan", "load", "schema"]

STANDINS: Plain = {
    "site": {"id": "site", "timezone": "UTC"},
    "parking": {"lanes": {"*": {"direction": "in"}}},
    "alarms": {"*": {"severity": "low"}},
}
"""Go on in the place of what is required and wrong, so that all the rest is checked too."""


def load(path: Path, environment: Mapping[str, str] | None = os.environ) -> Site:
    """Reads and checks the file and the profiles it names; raises ConfigErrors with every mistake. Without
    an environment the secrets are left where they are."""
    document = read(path)
    file = shaped(document, SiteFile, STANDINS)
    if file is None:
        raise ConfigErrors(document.errors)
    folder = path.absolute().parent
    made = wires(document, file, folder)
    plan = site_plan(document, file, made)
    sinks = destinations(document, file, folder, environment, made)
    titles = _titles(document, file)
    if document.errors:
        raise ConfigErrors(document.errors)
    return Site(
        id=file.site.id,
        name=file.site.name or {file.site.language: file.site.id},
        language=file.site.language,
        plan=plan,
        links=made.links,
        sinks=sinks,
        http=HttpPlan(file.http.host, file.http.port),
        spool=SpoolPlan(file.spool.most, file.spool.keep),
        titles=titles,
        commit_limit=file.commit_limit,
        data=folder / file.data,
        source=path.absolute(),
    )


def schema() -> Mapping[str, object]:
    """The JSON Schema of the file, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema_of(SiteFile)}


def _titles(document: Document, file: SiteFile) -> Mapping[str, Mapping[str, str]]:
    """What things are called; alarms and topics need one name to mean one thing."""
    places: dict[str, Loc] = {}
    for section in (("devices",), ("parking", "lanes"), ("fire",)):
        for name in document.names(*section):
            if (first := places.setdefault(name, section)) != section:
                document.wrong(
                    (*section, name), f"a name of its own: it stands in {first[-1]} too", at_key=True
                )
    things = file.devices | file.parking.lanes | file.fire
    return {name: thing.title for name, thing in things.items() if thing.title}
