"""The site and its gateway in numbers, for Prometheus: names and units as its conventions have them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, fields
from importlib.metadata import version

from sitewarden.config.plan import Site
from sitewarden.gateway.api.house import Sample, Status, Telemetry
from sitewarden.gateway.board import Board
from sitewarden.gateway.flash import written
from sitewarden.gateway.host import Host, HostCounters
from sitewarden.gateway.hub import Hub
from sitewarden.gateway.links import LinkCounters
from sitewarden.gateway.spool.spool import SpoolFailed
from sitewarden.rules.model import AlarmState, Decision, Effect, FireStage, Passage, Severity

HOST = {
    "steps": ("steps", "Times that something was dealt with: bytes of a device, a timer, an operator."),
    "effects": ("effects", "Readings, decisions and alarms told to the page, the log and the sinks."),
    "commits": ("journal_commits", "Transactions of the journal that are on the disk."),
    "refused": ("journal_refused", "Transactions of the journal that the disk did not take at once."),
    "lost": ("journal_lost", "Of them, those that are not tried again: too many waited, or none would do."),
    "drivers_failed": ("driver_failures", "Times that a driver failed and was begun anew."),
}
LINK = {
    "opened": ("opened", "Times that the link came up."),
    "lost": ("lost", "Times that the link went down."),
    "refused": ("refused", "Attempts to open the link that failed."),
    "bytes_in": ("received_bytes", "Bytes received."),
    "bytes_out": ("sent_bytes", "Bytes sent."),
    "dropped_out": ("dropped_bytes", "Bytes that a stopped wire did not take."),
}
DEVICE = {
    "requests": ("requests", "Requests sent to the device."),
    "answers": ("answers", "Requests that it answered as asked."),
    "timeouts": ("timeouts", "Requests to which nothing came, or not all of it."),
    "exceptions": ("exceptions", "Answers that refuse."),
    "garbled": ("garbled", "Frames that cannot be what they should be."),
    "discarded": ("discarded", "Frames or pieces that came when nobody had asked."),
    "skipped": ("skipped", "Polls that were due but could not be fitted in."),
    "frames": ("frames", "Good frames."),
    "noise": ("noise_bytes", "Bytes outside of any frame."),
}
STAGE = "1 for the stage that holds: fire (a panel says so), held (the arms wait for a reset), normal."
HEARD = "Whether the panel's line is in order; 0: in fault or silent, and whether it burns is not known."
DECISIONS = "Swipes, and openings by hand, by what was decided and why."
DEPTH = "Readings, decisions and alarms that a part of the gateway has still to take."
DROPPED = "Readings, decisions and alarms that a part of the gateway was too slow to take."
OLDEST = "Instant of the oldest line that somebody still lacks, since 1970; 0: there is none."
WRITTEN = "Bytes that the gateway had written to disks: what wears flash out."
MISSING = "Values that came to be missing, by whose affair that is."
UNACKNOWLEDGED = (AlarmState.UNACKNOWLEDGED, AlarmState.RETURNED)


class Tally:
    """What happened at the lanes since the start. Counted in the main loop, read from any thread: what is
    read is replaced, never altered."""

    def __init__(self) -> None:
        self.decisions: Mapping[tuple[str, str, str], int] = {}  # lane, verdict, why
        self.passages: Mapping[str, int] = {}  # lane

    def count(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            if type(effect) is Decision:
                key = effect.lane, effect.verdict, effect.why
                self.decisions = {**self.decisions, key: self.decisions.get(key, 0) + 1}
            elif type(effect) is Passage:
                lane = effect.lane
                self.passages = {**self.passages, lane: self.passages.get(lane, 0) + 1}


def site_samples(site: Site, board: Board, tally: Tally, status: Status) -> Iterator[Sample]:
    """What one alerts on first: how the site is, as the page shows it."""
    started = status.started.wall.timestamp()
    yield Sample("sitewarden_build_info", "The version that runs.", 1, {"version": version("sitewarden")})
    yield Sample("sitewarden_start_time_seconds", "When the gateway started, since 1970.", started)
    yield Sample("sitewarden_clock_trusted", "Whether the clock is believed.", status.clock_trusted)
    for stage in FireStage:
        yield Sample("sitewarden_fire_stage", STAGE, board.fire.stage is stage, {"stage": stage})
    for panel in board.panels:
        heard = panel not in board.unheard
        yield Sample("sitewarden_fire_panel_heard", HEARD, heard, {"panel": panel})
    alarms = board.open_alarms()
    for severity in Severity:
        label = {"severity": severity.value}
        these = [alarm.state for alarm in alarms if alarm.severity is severity]
        new = sum(state in UNACKNOWLEDGED for state in these)
        yield Sample("sitewarden_alarms_open", "Open alarms, acknowledged or not.", len(these), label)
        yield Sample("sitewarden_alarms_unacknowledged", "Alarms that nobody acknowledged yet.", new, label)
    yield Sample("sitewarden_cars_inside", "Cars inside.", board.inside)
    yield Sample(
        "sitewarden_parking_places", "Places that are counted; 0: none are.", site.plan.parking.places
    )
    for device, change in board.devices.items():
        if change:
            label = {"device": device}
            yield Sample("sitewarden_device_up", "Whether the device can be reached.", change.up, label)
    for (lane, verdict, why), count in tally.decisions.items():
        labels = {"lane": lane, "verdict": verdict, "why": why}
        yield Sample("sitewarden_decisions_total", DECISIONS, count, labels, True)
    for lane, count in tally.passages.items():
        yield Sample("sitewarden_passages_total", "Cars that went through.", count, {"lane": lane}, True)


def samples(host: Host, hub: Hub) -> Iterator[Sample]:
    for field in fields(HostCounters):
        name, what = HOST[field.name]
        yield Sample(f"sitewarden_{name}_total", what, getattr(host.counters, field.name), counter=True)
    for key, link in host.links.items():
        label = {"link": key}
        yield Sample("sitewarden_link_up", "Whether the link is open.", link.up, label)
        for field in fields(LinkCounters):
            name, what = LINK[field.name]
            value = getattr(link.counters, field.name)
            yield Sample(f"sitewarden_link_{name}_total", what, value, label, True)
    for device, counters in host.engine.counters.items():
        for field_name, value in asdict(counters).items():
            name, what = DEVICE[field_name]
            yield Sample(f"sitewarden_device_{name}_total", what, value, {"device": device}, True)
    for queue in hub.subscriptions:
        label = {"queue": queue.name}
        yield Sample("sitewarden_queue_depth", DEPTH, queue.depth, label)
        yield Sample("sitewarden_queue_dropped_total", DROPPED, queue.dropped, label, True)


def telemetry_samples(status: Status, telemetry: Telemetry) -> Iterator[Sample]:
    """How the telemetry goes north, and what is missing of it."""
    for sink in status.sinks:
        label = {"sink": sink.name}
        for name, what, value in (
            ("up", "Whether the server took what was sent last.", float(sink.up)),
            ("lag_seconds", "How long the oldest line of what is new has been waiting.", sink.lag),
            ("waiting", "Lines not delivered yet, the backlog with them.", sink.waiting),
            ("backlog", "Lines not delivered yet that an outage left.", sink.backlog),
            ("rate", "Lines delivered a second, of late.", sink.rate),
            ("batch", "Lines a request now, by how fast the server answers.", sink.batch),
            ("dead_letters", "Rejected lines that are kept.", sink.dead_letters),
        ):
            yield Sample(f"sitewarden_sink_{name}", what, value, label)
        yield Sample("sitewarden_sink_sent_total", "Lines that arrived.", sink.sent, label, True)
        yield Sample("sitewarden_sink_rejected_total", "Lines that were rejected.", sink.lost, label, True)
    if stats := telemetry.stats:
        for name, what, value in (
            ("bytes", "Bytes of what somebody still lacks.", stats.bytes),
            ("limit_bytes", "Bytes that the spool may have.", stats.limit),
            ("fill_ratio", "How full the spool is of what somebody still lacks, 0 to 1.", stats.fill),
            ("lines", "Lines that somebody still lacks.", stats.lines),
            ("kept_lines", "Lines that all have, and that are kept.", stats.kept),
            ("held_lines", "Lines that wait until the clock can be believed.", stats.held),
        ):
            yield Sample(f"sitewarden_spool_{name}", what, value)
        yield Sample("sitewarden_spool_oldest_timestamp_seconds", OLDEST, (stats.oldest or 0) / 1e9)
        yield Sample("sitewarden_spool_lost_total", "Lines that were lost.", stats.lost, counter=True)
    yield Sample("sitewarden_disk_written_bytes_total", WRITTEN, written(), counter=True)
    with suppress(SpoolFailed):  # there is an alarm for that, and all the other figures are wanted then
        for cause, count in telemetry.missing().items():
            yield Sample("sitewarden_values_missing_total", MISSING, count, {"cause": cause}, True)
