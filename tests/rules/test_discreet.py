"""What a recording has of other people's cars decides on a swipe as all that is known of them does."""

import random
from collections.abc import Mapping

import pytest

from sitewarden.rules.cells import Grant, LaneCell, Place, Swipe
from sitewarden.rules.core import Core
from sitewarden.rules.model import Action, CardRead, Decision, Permit, PermitKind
from sitewarden.rules.parking.discreet import others, plain, unnamed
from sitewarden.rules.plan import Lane
from tests.rules.site_under_test import CARDS, IN, OUT, PLAN, SIDE, Site, at, of, permit

LANES = (IN, OUT, SIDE)
SPACED = permit("monthly-3", space="P1")  # its car stands on one of the shared places all the same
PERMITS = {permit.card: permit for permit in (*CARDS, SPACED)}


def replaying(cells: Mapping[str, object], card: str) -> Core:
    known: Permit | None = PERMITS.get(card)
    kept = others(cells) | unnamed(cells, LANES, card, known)
    return Core(PLAN, (plain(known),) if known else (), kept)


def decided(core: Core, event: CardRead) -> list[tuple[str, str]]:
    return [(it.verdict, it.why) for it in of(core.step(event), Decision)]


@pytest.mark.parametrize("seed", range(40))
def test_a_swipe_is_decided_as_with_all_that_is_known(seed: int) -> None:
    luck, site = random.Random(seed), Site(cards=PERMITS.values())
    for lane in LANES:
        site.reads(lane.barrier.loop_under, False)
    card = "nobody"
    for _ in range(40):
        lane = luck.choice(LANES)
        card = card if luck.random() < 0.2 else luck.choice(("nobody", *PERMITS))
        cells, event = site.core.save(), CardRead(lane.reader, card, at(site.now))
        live = Core(PLAN, PERMITS.values(), cells)
        assert decided(replaying(cells, card), event) == decided(live, event)
        happens(luck, site, lane, card)


def test_a_space_is_taken_only_by_a_car_that_is_certainly_on_it() -> None:
    site = Site(cards=PERMITS.values())
    again = CardRead(IN.reader, "private-b", at(400.0))
    for lane in LANES:
        site.reads(lane.barrier.loop_under, False)
    site.enters("monthly-3")
    assert decided(replaying(site.core.save(), "private-b"), again) == [("granted", "permit")]
    site.enters("private-a")
    assert decided(replaying(site.core.save(), "private-b"), again) == [("denied", "space_taken")]
    site.reads("panel.line1", 800.0)
    site.wait(1.0)
    site.drive(OUT)  # whoever that was
    site.reads("panel.line1", 2000.0)
    site.wait(1.0)
    site.operates(Action.RESET_FIRE)
    assert decided(Core(PLAN, PERMITS.values(), site.core.save()), again) == [("granted", "permit")]
    assert decided(replaying(site.core.save(), "private-b"), again) == [("granted", "permit")]


def happens(luck: random.Random, site: Site, lane: Lane, card: str) -> None:
    """Mostly the swipe that was asked about."""
    what = luck.random()
    if what < 0.55:
        site.swipe(card, lane)
    elif what < 0.6:
        site.operates(Action.OPEN, lane.id, "delivery")
    elif what < 0.65:
        site.reads("panel.line1", luck.choice((800.0, 2000.0)))
    elif what < 0.7:
        site.operates(Action.RESET_FIRE)
    elif what < 0.73:
        site.operates(Action.FORGIVE, card)
    else:
        site.reads(lane.barrier.loop_under, luck.random() < 0.5)
    if luck.random() < 0.1:
        site.loses(lane.barrier.loop_under)
    site.wait(luck.choice((0.3, 1.0, 4.0, 30.0)))


def test_of_other_cars_no_card_no_space_and_no_instant_is_left() -> None:
    grant = Grant(1060.0, "private-a", PermitKind.PRIVATE, "P1")
    place = Place(True, PermitKind.PRIVATE, "P1", at(-60))
    cells = {"lane/in": LaneCell((grant,)), "inside/private-b": place, "swipe/in": Swipe("private-a", 1000.0)}
    nobodys = {"lane/in": LaneCell((Grant(1060.0, kind=PermitKind.PRIVATE),))}
    assert unnamed(cells, LANES) == nobodys
    assert unnamed(cells, LANES, "monthly", PERMITS["monthly"]) == nobodys
    third = permit("private-c", PermitKind.PRIVATE, space="P1")
    known = unnamed(cells, LANES, third.card, third)
    assert known.keys() == {"lane/in", "inside/*"}
    assert "private-" not in str(known)
    assert str(place.at.wall) not in str(known)
