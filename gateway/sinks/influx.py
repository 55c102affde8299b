"""A carrier to a line-protocol server."""

from functools import partial

from sitewarden.config.sinks import InfluxPlan
from sitewarden.gateway.clock import Clock
from sitewarden.gateway.hub import Report
from sitewarden.gateway.sinks.carrier import Carrier
from sitewarden.gateway.sinks.servers import connect
from sitewarden.gateway.spool import Spool


class InfluxSink(Carrier):
    def __init__(self, plan: InfluxPlan, spool: Spool, report: Report, clock: Clock) -> None:
        super().__init__(plan, spool, report, clock, partial(connect, plan))
