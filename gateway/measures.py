"""The gateway in numbers, for Prometheus."""

from collections.abc import Iterator
from dataclasses import asdict, fields

from sitewarden.gateway.api.house import Sample
from sitewarden.gateway.host import Host, HostCounters
from sitewarden.gateway.hub import Hub
from sitewarden.gateway.links import LinkCounters
from sitewarden.gateway.outlets import Outlets

HOST = {
    "steps": "Calls into the engine.",
    "effects": "Readings, decisions and alarms that were published.",
    "commits": "Transactions of the journal.",
    "refused": "Transactions that the journal could not take.",
    "drivers_failed": "Drivers that raised and were built anew.",
}
LINK = {
    "opened": "Times that the link came up.",
    "lost": "Times that the link went down.",
    "refused": "Attempts to open the link that failed.",
    "bytes_in": "Bytes received.",
    "bytes_out": "Bytes sent.",
    "dropped_out": "Bytes that a stopped wire did not take.",
}
DEVICE = {
    "requests": "Requests sent to the device.",
    "answers": "Requests that it answered as asked.",
    "timeouts": "Requests to which nothing came, or not all of it.",
    "exceptions": "Answers that refuse.",
    "garbled": "Frames that cannot be what they should be.",
    "discarded": "Frames or pieces that came when nobody had asked.",
    "skipped": "Polls that were due but could not be fitted in.",
    "frames": "Good frames.",
    "noise": "Bytes outside of any frame.",
}


def samples(host: Host, hub: Hub, outlets: Outlets) -> Iterator[Sample]:
    for field in fields(HostCounters):
        value = getattr(host.counters, field.name)
        yield Sample(f"sitewarden_{field.name}_total", HOST[field.name], value, counter=True)
    for name, link in host.links.items():
        yield Sample("sitewarden_link_up", "Whether the link is open.", link.up, {"link": name})
        for field in fields(LinkCounters):
            value = getattr(link.counters, field.name)
            yield Sample(f"sitewarden_link_{field.name}_total", LINK[field.name], value, {"link": name}, True)
    for device, counters in host.engine.counters.items():
        for name, value in asdict(counters).items():
            yield Sample(f"sitewarden_device_{name}_total", DEVICE[name], value, {"device": device}, True)
    for queue in hub.subscriptions:
        label = {"queue": queue.name}
        yield Sample("sitewarden_queue_depth", "Effects that wait for their listener.", queue.depth, label)
        yield Sample(
            "sitewarden_queue_dropped_total", "Effects that found no room.", queue.dropped, label, True
        )
    for name, sink in outlets.sinks.items():
        status, label = sink.status(), {"sink": name}
        yield Sample("sitewarden_sink_up", "Whether the last attempt was taken.", status.up, label)
        yield Sample(
            "sitewarden_sink_sent_total", "Lines or messages that arrived.", status.sent, label, True
        )
        yield Sample("sitewarden_sink_waiting", "Lines or messages not delivered yet.", status.waiting, label)
        yield Sample(
            "sitewarden_sink_lost_total", "Lines or messages rejected or dropped.", status.lost, label, True
        )
    spool = outlets.spool.seen
    yield Sample("sitewarden_spool_fill", "How full the spool is, 0 to 1.", spool.fill)
    yield Sample("sitewarden_spool_lines", "Lines in the spool.", spool.lines)
    yield Sample("sitewarden_spool_lost_total", "Lines that the spool had to drop.", spool.lost, counter=True)
