"""Is it alive, is it ready, how is it. The first two answer anybody."""

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from sitewarden.gateway.api.access import Viewer
from sitewarden.gateway.api.context import TheHouse

router = APIRouter()


@router.get("/livez")
async def livez() -> Response:
    """This process answers."""
    return Response("ok\n", media_type="text/plain")


@router.get("/readyz")
async def readyz(house: TheHouse) -> JSONResponse:
    """Every part that decisions need is there; 503 names the ones that are not."""
    ready = house.ready()
    return JSONResponse({"ready": all(ready.values()), **ready}, 200 if all(ready.values()) else 503)


@router.get("/metrics")
def metrics(house: TheHouse, _: Viewer) -> Response:
    """For Prometheus. Link and device names are labels, people's data never are."""
    # Its client is a megabyte: only for those who have a Prometheus.
    from sitewarden.gateway.api.exposition import CONTENT_TYPE_LATEST, exposed  # noqa: PLC0415

    return Response(exposed(house.samples()), media_type=CONTENT_TYPE_LATEST)
