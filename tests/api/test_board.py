"""The board keeps up with the core, and remembers what it must after a restart or a reload."""

from dataclasses import replace

from sitewarden.gateway.board import RECENT, Arm, Board, Trend
from sitewarden.rules.cells import Place, Strangers
from sitewarden.rules.model import FireStage, Keep, LinkChanged, PermitKind, Quality, Reading, Reason, Stamp
from tests.api.small_house import LIAO, SmallHouse


def drive_in(house: SmallHouse) -> None:
    house.step(Reading("io-gate.in4", False, house.later(1)))
    house.swipe()
    house.step(Reading("io-gate.in4", True, house.later(3)))
    house.step(Reading("io-gate.in4", False, house.later(3)))


def test_a_passage_counts_and_a_swipe_is_remembered(house: SmallHouse) -> None:
    drive_in(house)
    lane = house.board.lane("entrance")
    assert (house.board.inside, lane.last and lane.last.card) == (1, LIAO.card)
    assert lane.passage is not None
    for _ in range(RECENT + 5):
        house.later(10)
        house.swipe("00DEADBEEF")
    assert len(house.board.lane("entrance").swipes) == RECENT


def test_a_new_board_takes_up_what_the_core_keeps(house: SmallHouse) -> None:
    drive_in(house)
    house.step(Reading("io-fire.line1", 700.0, house.later(1)))
    house.tick(1)
    again = Board(house.site, house.core.save())
    assert (again.inside, dict(again.alarms)) == (1, dict(house.board.alarms))
    assert (again.fire.stage, again.fire.panel) == (FireStage.FIRE, "panel")


def test_private_spaces_and_strangers_of_a_fire_are_counted_as_the_core_counts_them(
    house: SmallHouse,
) -> None:
    drive_in(house)
    monthly = Place(True, PermitKind.MONTHLY, "", house.now())
    private = Place(True, PermitKind.PRIVATE, "B1-017", house.now())
    house.board.apply([Keep("inside/00000000AA", monthly), Keep("inside/00000000BB", private)])
    assert house.board.inside == 2, "a private space is none of the shared places"
    house.board.apply([Keep("strangers", Strangers(1, balance=-1))])
    assert house.board.inside == 1
    assert house.board.carried(house.site).inside == 1


def test_a_board_is_carried_over_to_an_altered_site(house: SmallHouse) -> None:
    drive_in(house)
    house.read(tank_level=1.5)
    without_lift = replace(
        house.site, links=tuple(link for link in house.site.links if link.name != "lift-1")
    )
    carried = house.board.carried(without_lift)
    assert "lift-a" not in carried.devices
    assert "lift-a.floor" not in carried.latest
    assert carried.latest["tank.level"] == house.board.latest["tank.level"]
    assert carried.lane("entrance") == house.board.lane("entrance")
    assert (carried.inside, carried.revision) == (1, house.board.revision + 1)


def test_the_arm_is_where_its_switches_say(house: SmallHouse) -> None:
    def switches(opened: bool, closed: bool, quality: Quality = Quality.GOOD) -> Arm:
        reason = Reason.NONE if quality is Quality.GOOD else Reason.TIMEOUT
        for point, value in (("in1", opened), ("in2", closed)):
            house.step(Reading(f"io-gate.{point}", value, house.now(), quality, reason))
        return house.board.lane("entrance").arm

    assert house.board.lane("entrance").arm is Arm.UNKNOWN
    assert switches(True, False) is Arm.UP
    assert switches(False, True) is Arm.DOWN
    assert switches(False, False) is Arm.MOVING
    assert switches(True, True) is Arm.UNKNOWN
    assert switches(True, False, Quality.BAD) is Arm.UNKNOWN


def test_a_trend_is_a_drift_from_the_last_minutes(house: SmallHouse) -> None:
    board = house.board

    def level(value: float, after: float) -> Trend:
        at = house.now()
        board.apply([Reading("tank.level", value, Stamp(at.wall, at.mono + after))])
        return board.trend("tank.level")

    assert level(1.0, 0) is Trend.STEADY
    assert level(1.005, 10) is Trend.STEADY
    assert level(1.2, 20) is Trend.RISING
    assert level(0.8, 30) is Trend.FALLING
    for minute in range(1, 12):
        last = level(0.8, 60.0 * minute)
    assert last is Trend.STEADY


def test_a_fire_panel_is_heard_while_its_line_is_in_order(house: SmallHouse) -> None:
    def heard(ohm: float, quality: Quality = Quality.GOOD) -> bool:
        house.step(Reading("io-fire.line1", ohm, house.later(1), quality))
        return house.board.unheard == []

    assert house.board.unheard == ["panel"], "nothing was read yet"
    assert heard(2200.0)
    assert heard(700.0), "it burns, and the panel says so"
    assert not heard(9e5), "a cut wire"
    assert not heard(1500.0), "between the bands"
    assert not heard(2200.0, Quality.BAD)
    assert not heard(2200.0, Quality.STALE)
    assert heard(2200.0)
    house.step(LinkChanged("io-fire", False, house.later(1), Reason.DRIVER))
    assert house.board.unheard == ["panel"], "whoever reads it is gone"


def test_points_the_site_does_not_have_are_not_kept(house: SmallHouse) -> None:
    before = len(house.board.latest)
    house.board.apply([Reading("ghost.value", 1.0, house.now())])
    assert len(house.board.latest) == before


def test_a_device_is_up_since_it_came_however_often_that_is_said(house: SmallHouse) -> None:
    """A driver that is built anew, when a recording begins, says all again."""
    house.up()
    came = house.board.devices["pump-1"]
    house.step(LinkChanged("pump-1", True, house.later(60)))
    assert house.board.devices["pump-1"] == came
    lost = LinkChanged("pump-1", False, house.later(60), Reason.TIMEOUT)
    house.step(lost)
    house.step(LinkChanged("pump-1", False, house.later(60), Reason.TIMEOUT))
    assert house.board.devices["pump-1"] == lost
