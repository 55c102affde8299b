"""Which units are on a line, tried one by one at each way that the line may be set."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sitewarden.drivers.plan import Framing, Port, SerialPort, pace
from sitewarden.gateway.cli.common import Failure
from sitewarden.gateway.cli.modbus.master import Master
from sitewarden.gateway.cli.modbus.port import opened, shown
from sitewarden.gateway.cli.modbus.probe import Present, probe

REQUEST = 5  # bytes of the PDU that asks
SUSPICIOUS = 4  # units over TCP that are asked and all there: rather one device that heeds no id


@dataclass(frozen=True, slots=True)
class Setting:
    """One way that the line may be set."""

    port: Port
    framing: Framing

    def __str__(self) -> str:
        if isinstance(self.port, SerialPort):
            form = f"{self.port.data_bits}{self.port.parity[0].upper()}{self.port.stop_bits}"
            return f"{self.port.baud} {form} {self.framing}"
        return str(self.framing)


@dataclass(slots=True)
class Finding:
    """What has come out so far."""

    link: str
    units: list[tuple[Setting, Present]] = field(default_factory=list)
    garbled: list[tuple[Setting, int]] = field(default_factory=list)
    late: set[int] = field(default_factory=set)
    failed: list[str] = field(default_factory=list)  # why the port went away
    tried: list[Setting] = field(default_factory=list)
    echo: bool = False
    any_id: bool = False  # whatever unit was asked, something answered
    stopped: bool = False

    def document(self) -> dict[str, object]:
        return {
            "link": self.link,
            "units": [
                {
                    "unit": unit.unit_id,
                    **_set(setting),
                    "says": unit.says,
                    "holding_0": unit.holding,
                    "fastest_s": round(unit.fastest, 4),
                    "median_s": round(unit.usual, 4),
                }
                for setting, unit in self.units
            ],
            "garbled": [{"unit": unit_id, **_set(setting)} for setting, unit_id in self.garbled],
            "late": sorted(self.late),
            "echo": self.echo,
            "any_id": self.any_id,
            "tried": [str(setting) for setting in self.tried],
            "failed": self.failed,
            "complete": not self.stopped and not self.failed,
        }


def _set(setting: Setting) -> dict[str, object]:
    said: dict[str, object] = {"framing": setting.framing}
    if isinstance(setting.port, SerialPort):
        said |= {"baud": setting.port.baud, "parity": setting.port.parity}
    return said


Report = Callable[[Setting, int, Present | None], None]
"""What is being asked, and what was found there."""


@dataclass(frozen=True, slots=True)
class Search:
    settings: Sequence[Setting]
    ids: Sequence[int]
    timeout: float
    echo: bool
    exhaustive: bool  # go on with other settings when units were found

    @property
    def longest(self) -> float:
        """s, if nobody answers."""
        each = (self.timeout + pace(it.port, it.framing).lasts(REQUEST) for it in self.settings)
        return len(self.ids) * sum(each)

    def run(self, report: Report) -> Finding:
        """Ctrl-C ends it, and so does a serial port that goes away. Raises Failure if nothing at all could be
        asked."""
        found = Finding(shown(self.settings[0].port))
        try:
            for setting in self.settings:
                found.tried.append(setting)
                try:
                    self._tried(setting, found, report)
                except Failure as failure:
                    found.failed.append(str(failure))
                    if isinstance(setting.port, SerialPort):
                        break
                if found.units and not self.exhaustive:
                    break
        except KeyboardInterrupt:
            found.stopped = True
        if not found.units and len(found.failed) == len(found.tried):
            raise Failure("\n".join(dict.fromkeys(found.failed)))
        found.late -= {unit.unit_id for _, unit in found.units}
        answered = len(found.units) == len(self.ids) >= SUSPICIOUS
        found.any_id = answered and not isinstance(found.tried[-1].port, SerialPort)
        return found

    def _tried(self, setting: Setting, found: Finding, report: Report) -> None:
        with opened(setting.port) as channel:
            master = Master(channel, setting.port, setting.framing, self.timeout, self.echo)
            for unit_id in self.ids:
                report(setting, unit_id, None)
                result = probe(master, unit_id)
                if isinstance(result, Present):
                    found.units.append((setting, result))
                    report(setting, unit_id, result)
                elif result.garbled:
                    found.garbled.append((setting, unit_id))
                found.late |= master.late & set(self.ids)
                found.echo = found.echo or master.echo
