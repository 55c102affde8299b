"""What happens by itself in a demo of limited length: scenes, each with what must be seen of it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from sitewarden.gateway.api.house import DemoControl
from sitewarden.gateway.cli.story import Told
from sitewarden.rules.model import Action, Direction, FireStage

Act = DemoControl | Action

WHOLE = 60.0  # s in which all of it fits: alarms have delays that no script can shorten


@dataclass(frozen=True, slots=True)
class Scene:
    """`acts`: by the share of the length at which they happen; `seen`: whether it can be told of."""

    name: str
    acts: Mapping[float, Act]
    seen: Callable[[Told], bool]


def _refused(why: str, told: Told) -> bool:
    return why in told.swipes["denied"]


def _passed(way: Direction, told: Told) -> bool:
    return way in told.passages


def _came_and_went(alarm: str, told: Told) -> bool:
    return alarm in told.alarms["raised"] and alarm in told.alarms["cleared"]


def _reset(told: Told) -> bool:
    return told.fire.stages[-1:] == [FireStage.NORMAL]


SCENES = (
    Scene(
        "burst pipe",
        {
            0.02: DemoControl("burst_pipe", ""),
            0.40: DemoControl("mend_pipe", ""),
        },
        partial(_came_and_went, "pressure-low"),
    ),
    Scene("valid card in", {0.06: DemoControl("swipe", "entrance", "valid")}, partial(_passed, Direction.IN)),
    Scene(
        "unknown card", {0.12: DemoControl("swipe", "entrance", "unknown")}, partial(_refused, "unknown_card")
    ),
    Scene(
        "reader unplugged",
        {
            0.16: DemoControl("unplug", "gate-out"),
            0.42: DemoControl("plug", "gate-out"),
        },
        partial(_came_and_went, "device_offline:reader-out"),
    ),
    Scene(
        "passenger trapped",
        {
            0.18: DemoControl("trap_passenger", "lift-a"),
            0.44: DemoControl("free_passenger", "lift-a"),
        },
        partial(_came_and_went, "lift-trap-between"),
    ),
    Scene("expired card", {0.24: DemoControl("swipe", "entrance", "expired")}, partial(_refused, "expired")),
    Scene("blocked card", {0.34: DemoControl("swipe", "entrance", "blocked")}, partial(_refused, "blocked")),
    Scene("valid card out", {0.50: DemoControl("swipe", "exit", "valid")}, partial(_passed, Direction.OUT)),
    Scene(
        "fire",
        {
            0.62: DemoControl("fire", "panel"),
            0.78: DemoControl("fire_over", "panel"),
            0.88: Action.RESET_FIRE,
        },
        _reset,
    ),
)


def script() -> Sequence[tuple[float, Act]]:
    """All acts in the order of their shares."""
    return sorted(
        ((share, act) for scene in SCENES for share, act in scene.acts.items()), key=lambda it: it[0]
    )


def skipped(told: Told) -> Iterator[str]:
    """The scenes of which not all was seen: the time was too short for them."""
    return (scene.name for scene in SCENES if not scene.seen(told))
