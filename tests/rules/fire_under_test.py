"""What the tests of a fire say, and what they look for."""

from sitewarden.rules.model import (
    Action,
    Command,
    Do,
    Effect,
    FireChange,
    FireKind,
    FireSignal,
    FireStage,
)
from tests.rules.site_under_test import Site, at, of

NORMAL, FIRE = 2200.0, 800.0  # ohm
OUTPUTS = {("io-in", "out1"), ("io-out", "out1"), ("io-out", "out3")}


def signal(site: Site, kind: FireKind, panel: str = "panel-a") -> list[Effect]:
    return site.step(FireSignal(panel, kind, at(site.now), "3", "12"))


def outputs(effects: list[Effect], do: Do) -> set[tuple[str, str]]:
    return {(command.device, command.output) for command in of(effects, Command) if command.do is do}


def over(site: Site) -> None:
    """The panel falls silent and an operator resets."""
    signal(site, FireKind.NORMAL)
    site.wait(5.0)
    site.operates(Action.RESET_FIRE)


def stages(effects: list[Effect]) -> list[tuple[FireStage, FireStage]]:
    return [(change.before, change.after) for change in of(effects, FireChange)]
