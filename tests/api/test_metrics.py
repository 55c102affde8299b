"""What Prometheus is told of the site."""

from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from sitewarden.gateway.measures import Tally
from sitewarden.gateway.sinks.base import SinkStatus
from sitewarden.gateway.spool.blocks import Loss, SpoolStats
from sitewarden.rules.model import Action, Operator, Reading
from tests.api.small_house import SmallHouse


def told(client: TestClient) -> dict[tuple[str, str], float]:
    """By name and what its labels say."""
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name.removeprefix("sitewarden_"), " ".join(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_what_one_alerts_on_is_there(house: SmallHouse, engineer: TestClient) -> None:
    house.up()
    house.enter()
    house.swipe("00DEADBEEF")
    house.lose("lift-a")
    before = told(engineer)
    assert before["fire_stage", "normal"] == 1
    assert before["cars_inside", ""] == 1
    assert before["parking_places", ""] == house.site.plan.parking.places
    assert (before["device_up", "lift-a"], before["device_up", "tank"]) == (0, 1)
    assert before["alarms_open", "medium"] == before["alarms_unacknowledged", "medium"] == 1
    assert before["alarms_open", "low"] == 0
    assert before["decisions_total", "entrance granted permit"] == 1
    assert before["decisions_total", "entrance denied unknown_card"] == 1
    assert before["passages_total", "entrance"] == 1
    assert before["start_time_seconds", ""] == house.status().started.wall.timestamp()
    house.step(Operator(Action.ACKNOWLEDGE, "device_offline:lift-a", "guard", house.now()))
    house.step(Reading("io-fire.line1", 700.0, house.later(1)))
    house.tick(1)
    after = told(engineer)
    assert (after["fire_stage", "normal"], after["fire_stage", "fire"]) == (0, 1)
    assert (after["alarms_open", "medium"], after["alarms_unacknowledged", "medium"]) == (1, 0)


def test_a_panel_that_is_not_heard_is_a_number_of_its_own(house: SmallHouse, engineer: TestClient) -> None:
    assert told(engineer)["fire_panel_heard", "panel"] == 0
    house.read(io__fire_line1=2200.0)
    assert told(engineer)["fire_panel_heard", "panel"] == 1


def test_a_tally_that_is_read_does_not_change(house: SmallHouse) -> None:
    tally = Tally()
    seen = tally.decisions
    tally.count(house.step(Operator(Action.OPEN, "exit", "guard", house.now(), "delivery")))
    assert (dict(seen), dict(tally.decisions)) == ({}, {("exit", "granted", "operator"): 1})


def test_how_telemetry_goes_north(house: SmallHouse, engineer: TestClient) -> None:
    before = told(engineer)
    assert "spool_lines" not in {name for name, _ in before}
    house.sinks = (
        SinkStatus("influx", True, sent=90, waiting=12, lost=2, lag=0.5, backlog=7, dead_letters=2),
    )
    house.telemetry.stats = SpoolStats(12, 100, 1000, 5 * 10**9, {}, {}, 3, 0, kept=40, held=6)
    house.telemetry.lost = [Loss("timeout", 640), Loss("full", 3), Loss("crc", 1), Loss("refused", 2)]
    after = told(engineer)
    assert (after["sink_up", "influx"], after["sink_lag_seconds", "influx"]) == (1, 0.5)
    assert (after["sink_waiting", "influx"], after["sink_backlog", "influx"]) == (12, 7)
    assert (after["sink_sent_total", "influx"], after["sink_rejected_total", "influx"]) == (90, 2)
    assert after["sink_dead_letters", "influx"] == 2
    assert (after["spool_fill_ratio", ""], after["spool_lines", ""]) == (0.1, 12)
    assert (after["spool_oldest_timestamp_seconds", ""], after["spool_held_lines", ""]) == (5, 6)
    missing = {name: after["values_missing_total", name] for name in ("device", "policy", "disk", "server")}
    assert missing == {"device": 640, "policy": 3, "disk": 3, "server": 0}


def test_a_spool_that_cannot_be_read_takes_no_other_figure_with_it(
    house: SmallHouse, engineer: TestClient
) -> None:
    house.telemetry.broken = True
    after = told(engineer)
    assert after["fire_stage", "normal"] == 1
    assert "values_missing_total" not in {name for name, _ in after}
