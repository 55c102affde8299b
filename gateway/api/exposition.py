"""Samples as Prometheus reads them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from sitewarden.gateway.api.house import Sample

__all__ = ["CONTENT_TYPE_LATEST", "exposed"]

Family = CounterMetricFamily | GaugeMetricFamily


def exposed(samples: Iterable[Sample]) -> bytes:
    registry = CollectorRegistry()
    registry.register(_Samples(samples))
    return generate_latest(registry)


@dataclass(frozen=True, slots=True)
class _Samples(Collector):
    samples: Iterable[Sample]

    def collect(self) -> Iterator[Family]:
        families: dict[str, Family] = {}
        for sample in self.samples:
            family = families.get(sample.name)
            if family is None:
                build = CounterMetricFamily if sample.counter else GaugeMetricFamily
                family = families[sample.name] = build(sample.name, sample.help, labels=[*sample.labels])
            family.add_metric([*sample.labels.values()], sample.value)
        yield from families.values()
