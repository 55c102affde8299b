"""kill -9, again and again, while cards, cars, alarms and readings come without a pause.

Half of the kills strike at the very instant a barrier's output is switched: if the record were not on the
disk before, it would be lost then.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from random import Random
from time import sleep

import httpx2
import pytest

from sitewarden.gateway.clock import wall_now
from tests.gateway.live import free_port
from tests.gateway.remains import Remains, unexplained
from tests.gateway.street import CONTACTS, Street, StreetSite

pytestmark = [
    pytest.mark.slow,
    pytest.mark.server,
    pytest.mark.timeout(900),
    # The HTTP client drops a socket that found nobody any more without closing it.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]

KILLS = 32
FIRE = 12  # the number of the kill before which it begins to burn
MOST_LOST = 1.0  # s of telemetry that a kill may cost
EXPLAINS = 1.0  # s from a decision to its movement at most, on a machine that has other things to do
UP_WITHIN = 60.0  # s

SINKS = """\
sinks:
  away: {type: influxdb, version: v1, url: "http://127.0.0.1:%d", bucket: sitewarden}
"""
PATIENT = "5s"  # for a commit: no lateness of a busy machine excuses a movement without its record


class Trial:
    """The gateway, the street, and what is known to be so outside of both."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.chance = folder, Random(seed)
        self.gateway = StreetSite(folder, SINKS % free_port(), seed, PATIENT)
        self.street = self.gateway.street
        self.street.come_and_go()
        self.starts: list[datetime] = []
        self.ends: list[datetime] = []  # a kill each, but for the last
        self.acknowledged: set[str] = set()  # and their contacts have stood on ever since
        self.acknowledgements = self.openings = 0  # that were answered
        self.worst = 0.0  # s: the oldest reading that a kill took
        self.held: datetime  # since when fire has held every arm

    def close(self) -> None:
        self.gateway.close()

    # -- a life and its end ----------------------------------------------------------------------

    def start(self) -> None:
        self.starts.append(wall_now())
        self.gateway.start(UP_WITHIN)
        alarms = self.gateway.alarms()
        forgotten = {name for name in self.acknowledged if alarms.get(name) != "acknowledged"}
        assert not forgotten, f"after kill {len(self.ends)}: {alarms}"

    def live(self, at_move: bool) -> None:
        """An operator's work until the kill."""
        process = self.gateway.process
        assert process
        self.street.doom(process.pid, self.chance.uniform(0.1, 2.0), at_move, self.ends.append)
        socket = httpx2.HTTPTransport(uds=str(self.gateway.site.data / "api.sock"))
        with httpx2.Client(transport=socket, base_url="http://gateway/api/v1", timeout=10.0) as http:
            try:
                self._open(http)
                while process.poll() is None:
                    self._tend(http)
                    sleep(0.05)
            except httpx2.TransportError:  # killed while it answered: it promised nothing
                process.wait(10.0)
        self.gateway.process = None

    def _open(self, http: httpx2.Client) -> None:
        lane = self.chance.choice(list(self.street.estate.gates))
        self.openings += http.post(f"/lanes/{lane}/open", json={"reason": "delivery"}).status_code == 200

    def _tend(self, http: httpx2.Client) -> None:
        """Contacts come and go; whatever alarm is new is acknowledged."""
        alarms = {it["id"]: it["state"] for it in http.get("/alarms").json() if it["id"] in CONTACTS}
        for name in CONTACTS:
            state, on = alarms.get(name), self.street.contacts[name]
            if state == "unacknowledged" and on:
                assert http.post(f"/alarms/{name}/acknowledge").status_code == 200
                self.acknowledgements += 1
                self.acknowledged.add(name)
            elif state == "returned_unacknowledged":
                self.acknowledgements += http.post(f"/alarms/{name}/acknowledge").status_code == 200
            elif self.chance.random() < 0.1 and (on or state is None):
                self.acknowledged.discard(name)
                self.street.contacts[name] = not on

    # -- what must be so after each --------------------------------------------------------------

    def remains(self) -> Remains:
        return Remains(self.gateway.site.data, self.folder / "remains", "away")

    def check(self) -> None:
        left, kill = self.remains(), f"after kill {len(self.ends)}"
        assert left.integrity() == ["ok", "ok"], kill
        grants = left.grants()
        for lane in self.street.estate.gates:
            missing = unexplained(self.street.openings(lane), grants[lane], EXPLAINS)
            assert missing == [], f"{kill}: {lane} moved without a record"
        alarms = left.alarms()
        assert {alarms.get(name) for name in self.acknowledged} <= {"acknowledged"}, f"{kill}: {alarms}"
        assert left.alarm_breaks() == [], kill
        assert left.count("operators", "action = 'acknowledge'") >= self.acknowledgements, kill
        assert left.count("operators", "action = 'open'") >= self.openings, kill
        remembered, passed = left.remembered_places(), left.places()
        assert remembered.items() <= passed.items(), kill
        assert passed.keys() - remembered.keys() <= left.perhaps_gone(), kill
        self._check_telemetry(left.spooled("count"), kill)

    def _check_telemetry(self, spooled: list[int], kill: str) -> None:
        stored = set(spooled)
        assert len(stored) == len(spooled), f"{kill}: a reading was spooled twice"
        lost = [at for at, number in self.street.shown if number not in stored]
        ages = [(self._end_of_life(at) - at).total_seconds() for at in lost]
        self.worst = max([self.worst, *ages])
        assert self.worst <= MOST_LOST, f"{kill}: readings as old as {self.worst:.3f} s were lost"

    def _end_of_life(self, at: datetime) -> datetime:
        """The kill that ended the life of which `at` is a part."""
        return self.ends[sum(start <= at for start in self.starts) - 1]

    def summary(self) -> str:
        left = self.remains()
        moves = sum(move.on for move in self.street.moves)
        return (
            f"{len(self.ends) - 1} kills, {self.street.swipes} cards held out, {moves} movements,"
            f" {left.count('decisions')} decisions, {left.count('passages')} passages,"
            f" {left.count('alarms')} changes of alarms, {self.acknowledgements} acknowledgements and"
            f" {self.openings} openings by hand answered, {len(self.street.shown)} looks at the meter,"
            f" {len(left.spooled('count'))} in the spool, none lost that was older than {self.worst:.3f} s"
        )


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[Trial]:
    it = Trial(tmp_path, seed=20)
    yield it
    it.close()


def test_a_gateway_that_is_killed_again_and_again_keeps_its_word(
    trial: Trial, record_property: Callable[[str, object], None]
) -> None:
    for number in range(KILLS):
        trial.start()
        if FIRE <= number < FIRE + 4:
            in_fire(trial, number - FIRE)
        trial.live(at_move=bool(number % 2) and not trial.street.fire)
        trial.check()
    those_inside_do_not_come_in_again(trial)
    print(trial.summary())  # noqa: T201
    record_property("counts", trial.summary())


def in_fire(trial: Trial, kills: int) -> None:
    """What a fire looks like that was on at so many kills. Its end is in between two of them."""
    street, gateway = trial.street, trial.gateway
    stage = gateway.ask("GET", "/site")["fire"]["stage"]
    match kills:
        case 0:
            street.cars = False  # nobody knows who drives through under fire, so nobody does
            gateway.until(lambda: street.empty, 60.0)
            street.fire = True
            street.burn(True)
            gateway.until(lambda: gateway.ask("GET", "/site")["fire"]["stage"] == "fire")
            sleep(0.5)  # the end of a pulse may have been on the wire
        case 1:
            assert stage == "fire"
            street.drop_outputs()
        case 2:
            assert stage == "fire"
            street.burn(False)
            gateway.until(lambda: gateway.ask("GET", "/site")["fire"]["stage"] == "held")
        case 3:
            assert stage == "held"
    gateway.until(lambda: street.held)
    if kills == 0:
        trial.held = wall_now()
    if kills == 3:
        let_go = [move for move in street.moves if not move.on and move.at > trial.held]
        assert len(let_go) == len(street.estate.gates), (
            let_go
        )  # when the module lost its power, and at no other time
        gateway.ask("POST", "/fire/reset")
        gateway.until(lambda: not any(gate.arm.open_held for gate in street.estate.gates.values()))
        street.fire, street.cars = False, True


def seen_last(trial: Trial) -> set[str]:
    """Which ways the good cards went last, but for those that were let through since: that may have been
    hidden by a kill."""
    ask, cards = trial.gateway.ask, good_cards(trial.street)
    passed = {it["card"]: it for it in reversed(ask("GET", "/passages?limit=1000")["items"])}
    swiped = {it["card"]: it for it in reversed(ask("GET", "/decisions?limit=1000")["items"])}
    denied_or_before = (
        card
        for card in passed.keys() & cards
        if swiped[card]["verdict"] == "denied" or swiped[card]["at"] < passed[card]["at"]
    )
    return {passed[card]["direction"] for card in denied_or_before}


def good_cards(street: Street) -> set[str]:
    today = wall_now().date()
    return {it.card for it in street.estate.permits if not it.blocked and it.valid_to >= today}


def those_inside_do_not_come_in_again(trial: Trial) -> None:
    """After one more kill, with nobody on the move, each card goes to the lane that must refuse it."""
    street, gateway = trial.street, trial.gateway
    trial.start()
    calm = False
    while not calm:
        street.come_and_go()
        gateway.until(lambda: seen_last(trial) == {"in", "out"}, 120.0)
        street.come_and_go(False)
        gateway.until(lambda: street.empty, 60.0)
        sleep(1.0)  # the loops are read ten times a second
        calm = seen_last(trial) == {"in", "out"}
    gateway.kill()
    trial.ends.append(wall_now())
    trial.check()
    left = trial.remains()
    sure = good_cards(street) - left.perhaps_gone()  # the others: let through by a fire, or unseen
    places = {card: inside for card, inside in left.places().items() if card in sure}
    assert set(places.values()) == {True, False}
    before = trial.remains().count("decisions")
    trial.start()
    for card, inside in places.items():
        street.hold_out("entrance" if inside else "exit", card)
        sleep(0.3)
    gateway.end()
    trial.ends.append(wall_now())
    expected = {(card, "already_inside" if inside else "not_inside") for card, inside in places.items()}
    assert set(trial.remains().denials(before)) == expected
    trial.check()
