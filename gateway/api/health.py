"""Is it alive, is it ready, how is it. The first two answer anybody."""

from collections.abc import Iterator

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from sitewarden.gateway.api.access import Viewer
from sitewarden.gateway.api.context import TheHouse
from sitewarden.gateway.api.house import House

router = APIRouter()

Family = CounterMetricFamily | GaugeMetricFamily


@router.get("/livez")
async def livez() -> Response:
    """This process answers."""
    return Response("ok\n", media_type="text/plain")


@router.get("/readyz")
async def readyz(house: TheHouse) -> JSONResponse:
    """Every part that decisions need is there; 503 names the ones that are not."""
    ready = house.ready()
    return JSONResponse({"ready": all(ready.values()), **ready}, 200 if all(ready.values()) else 503)


class _Samples(Collector):
    def __init__(self, house: House) -> None:
        self._house = house

    def collect(self) -> Iterator[Family]:
        families: dict[str, Family] = {}
        for sample in self._house.samples():
            family = families.get(sample.name)
            if family is None:
                build = CounterMetricFamily if sample.counter else GaugeMetricFamily
                family = families[sample.name] = build(sample.name, sample.help, labels=[*sample.labels])
            family.add_metric([*sample.labels.values()], sample.value)
        yield from families.values()


@router.get("/metrics")
def metrics(house: TheHouse, _: Viewer) -> Response:
    """For Prometheus. Link and device names are labels, people's data never are."""
    registry = CollectorRegistry()
    registry.register(_Samples(house))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
