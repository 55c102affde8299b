"""Links and devices to the plans of the wires, and what may refer to them."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from sitewarden.config.document import Document, Loc
from sitewarden.config.ends import ENDS, MODBUS_ONLY, end_of, framing
from sitewarden.config.errors import ConfigErrors, did_you_mean, one_of
from sitewarden.config.fit import fit
from sitewarden.config.profile import SHIPPED, available, load_profile
from sitewarden.config.shape import LinkShape, SiteFile
from sitewarden.config.words import written
from sitewarden.drivers.cards.readers import READERS
from sitewarden.drivers.modbus.points import Point, Profile, Unit
from sitewarden.drivers.plan import (
    BusPlan,
    Framing,
    LinkPlan,
    ReaderPlan,
    SerialPort,
)

SCAN = {"fast": 0.2, "normal": 1.0, "slow": 10.0}  # s, unless a device says otherwise
TIMEOUT = 0.3  # s, the least unless a device says otherwise
HEARTBEAT = 60.0  # s
EVERYONE = 0  # unit id on a serial line (V1.02, 2.2)
UNIT_ONLY = frozenset({"unit", "scan", "timeout", "retries", "turnaround", "heartbeat"})


@dataclass(slots=True)
class Wires:
    """The devices as they turned out. What went wrong with one is told once, at the device: whoever
    refers to it is then not told again."""

    document: Document
    readers: dict[str, str] = field(default_factory=dict)  # device -> link
    units: dict[str, Unit] = field(default_factory=dict)
    everyone: set[str] = field(default_factory=set)  # devices that are all units of their line: written only
    links: tuple[LinkPlan, ...] = ()

    def known(self) -> list[str]:
        return self.document.names("devices")

    def device(self, name: str, loc: Loc, at_key: bool = False) -> bool:
        """False, and noted, if there is no such device."""
        if name not in self.known():
            hint = did_you_mean(name, self.known())
            self.document.wrong(loc, f"a device: {one_of(self.known())}", hint, at_key=at_key)
        return name in self.known()

    def reader(self, name: str, loc: Loc) -> None:
        """Notes it if the device is not a card reader."""
        if self.device(name, loc) and name in self.units:
            self.document.wrong(loc, f"a card reader: {one_of(self.readers)}")

    def point(self, full: str, loc: Loc, at_key: bool = False, read: bool = True) -> Point | None:
        """The point that "device.point" names; None, and noted, if there is no such point, or if it is to
        be read and cannot."""
        device, _, name = full.partition(".")
        if not self.device(device, loc, at_key):
            return None
        unit = self.units.get(device)
        points = {point.name: point for point in unit.profile.points} if unit else {}
        if name in points and not (read and device in self.everyone):
            return points[name]
        if name in points:
            silent = f"{device} is all units of its line (unit 0), and none of them answers"
            self.document.wrong(loc, f"a point that can be read: {silent}", at_key=at_key)
        elif device in self.readers:
            self.document.wrong(loc, f"a device with points: {device} is a card reader", at_key=at_key)
        elif unit:
            near = did_you_mean(name, points)
            self.document.wrong(loc, f"a point of {device}: {one_of(points)}", near, at_key=at_key)
        return None


def wires(document: Document, file: SiteFile, folder: Path) -> Wires:
    """Every mistake is noted in the document."""
    made = Wires(document)
    profiles = _profiles(document, file, [folder / "profiles", SHIPPED])
    for name, device in file.devices.items():
        loc = ("devices", name)
        links = document.names("links")
        if device.link not in links:
            document.wrong((*loc, "link"), f"a link: {one_of(links)}", did_you_mean(device.link, links))
        document.exactly_one(loc, ("driver", "profile"), " (a card reader's driver, a Modbus unit's profile)")
        if device.driver is not None:
            if device.driver not in READERS:
                document.wrong((*loc, "driver"), one_of(READERS), did_you_mean(device.driver, READERS))
            for key in sorted(UNIT_ONLY & device.model_fields_set):
                document.wrong((*loc, key), "this key only beside a profile", at_key=True)
            made.readers[name] = device.link
        elif unit := _unit(document, file, name, profiles):
            made.units[name] = unit
            if device.unit == EVERYONE and device.link in file.links:
                _everyone(made, unit, file.links[device.link])
    made.links = tuple(
        plan for name, link in file.links.items() if (plan := _link(document, file, name, link, folder, made))
    )
    _apart(document, made.links)
    fit(document, made.links)
    return made


def _profiles(document: Document, file: SiteFile, folders: Sequence[Path]) -> Mapping[str, Profile]:
    """The profiles that devices ask for; the mistakes in their files are mistakes too."""
    files = available(folders)
    found: dict[str, Profile] = {}
    for name, device in file.devices.items():
        profile = device.profile
        if profile is None or profile in found:
            continue
        if profile not in files:
            loc = ("devices", name, "profile")
            document.wrong(loc, f"a profile: {one_of(sorted(files))}", did_you_mean(profile, files))
            continue
        try:
            found[profile] = load_profile(profile, folders)
        except ConfigErrors as errors:
            document.errors += errors.errors
    return found


def _unit(document: Document, file: SiteFile, name: str, profiles: Mapping[str, Profile]) -> Unit | None:
    device, loc = file.devices[name], ("devices", name)
    link = file.links.get(device.link)
    if device.unit is None:
        document.wrong((*loc, "unit"), "the unit id of the device on its bus")
    elif link and framing(link) is not Framing.TCP and not 0 <= device.unit <= 247:
        document.wrong((*loc, "unit"), "1 to 247 on a serial line, or 0 for all units at once")
    elif not 0 <= device.unit <= 255:
        document.wrong((*loc, "unit"), "0 to 255 over Modbus TCP, 0 to 247 on a serial line")
    if (profile := profiles.get(device.profile or "")) is None:
        return None
    scan = SCAN | device.scan
    classes = {point.scan for point in profile.points}
    for unknown in sorted(set(device.scan) - classes - set(SCAN)):
        document.wrong(
            (*loc, "scan", unknown), one_of(sorted(classes)), did_you_mean(unknown, classes), at_key=True
        )
    for missing in sorted(classes - set(scan)):
        document.wrong(
            (*loc, "scan"), f"an interval for the scan class {missing!r} of its profile", at_key=True
        )
    if device.turnaround is not None:
        profile = replace(profile, turnaround=device.turnaround, turnaround_assumed=False)
    timeout = device.timeout or max(TIMEOUT, 2 * profile.turnaround)
    if timeout <= profile.turnaround:
        expected = f"more than its turnaround, {written(profile.turnaround)}: nothing would be waited for"
        document.wrong((*loc, "timeout"), expected)
    heartbeat = device.heartbeat or _heartbeat(file, name)
    return Unit(name, device.unit or 0, profile, scan, timeout, device.retries, heartbeat)


def _everyone(made: Wires, unit: Unit, link: LinkShape) -> None:
    """Over Modbus TCP unit 0 is the device at the other end, and answers (Messaging V1.0b)."""
    if framing(link) is Framing.TCP:
        return
    made.everyone.add(unit.device)
    if not any(point.writable for point in unit.profile.points):
        loc = ("devices", unit.device, "profile")
        made.document.wrong(loc, "a profile with points to write: unit 0 is all units, and none answers")


def _heartbeat(file: SiteFile, name: str) -> float:
    """Often enough that no stale rule takes a value that does not change for silence."""
    halves = [rule.after / 2 for point, rule in file.stale.items() if point.startswith(f"{name}.")]
    return min([HEARTBEAT, *halves])


def _link(
    document: Document, file: SiteFile, name: str, link: LinkShape, folder: Path, made: Wires
) -> LinkPlan | None:
    loc = ("links", name)
    end = end_of(document, loc, link, folder)
    readers = [device for device, on in made.readers.items() if on == name]
    units = [unit for unit in made.units.values() if file.devices[unit.device].link == name]
    tenants = [
        device for device in document.names("devices") if document.get("devices", device, "link") == name
    ]
    if not tenants:
        document.wrong(loc, "at least one on this link", found="no device", at_key=True)
    for reader in readers if len(tenants) > 1 else []:
        others = ", ".join(sorted(set(tenants) - {reader}))
        document.wrong(("devices", reader, "link"), f"a card reader alone on its link, without {others}")
    for key in sorted(MODBUS_ONLY & link.model_fields_set) if readers else []:
        document.wrong((*loc, key), "this key only where Modbus is spoken", at_key=True)
    _unit_ids(document, [unit for unit in units if file.devices[unit.device].unit is not None])
    if end is None or not tenants:
        return None
    if readers:
        return LinkPlan(name, end, ReaderPlan(readers[0], file.devices[readers[0]].driver or ""))
    return LinkPlan(name, end, BusPlan(framing(link), tuple(units), link.echo, link.outstanding, link.probes))


def _unit_ids(document: Document, units: Sequence[Unit]) -> None:
    taken: dict[int, str] = {}
    for unit in units:
        first = taken.setdefault(unit.unit_id, unit.device)
        if first != unit.device:
            document.wrong(("devices", unit.device, "unit"), f"a unit id of its own: {first} has this one")


def _apart(document: Document, links: Sequence[LinkPlan]) -> None:
    """No two links on one port, whatever names the port goes by."""
    taken: dict[str | tuple[str, int], str] = {}
    for link in links:
        end = link.port
        port = os.path.realpath(end.path) if isinstance(end, SerialPort) else (end.host, end.port)
        if (first := taken.setdefault(port, link.name)) != link.name:
            key = next(key for key in ENDS if document.get("links", link.name, key) is not None)
            document.wrong(("links", link.name, key), f"a port of its own: {first} has this one")
