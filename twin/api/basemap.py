"""GET /basemap: the map tiles that a site ships, read by ranges of their archive."""

from starlette.responses import FileResponse, Response

from twin.api.errors import ProblemError
from twin.api.operation import Call, NoQuery, Operation

__all__ = ["OPERATIONS"]

_MEDIA = "application/vnd.pmtiles"


async def show_basemap(call: Call[NoQuery, None]) -> Response:
    """The archive, or the range of it that is asked for."""
    basemap, name = call.twin.basemap, call.path["file"]
    if basemap is None or basemap.path.name != name or not basemap.path.is_file():
        fix = "GET /api/v1/site names it, where the site ships one"
        raise ProblemError(f"no such basemap: {name[:80]!r}", status=404, fix=fix)
    return FileResponse(basemap.path, media_type=_MEDIA, headers={"Cache-Control": "no-cache"})


OPERATIONS = [Operation("GET", "/basemap/{file}", show_basemap, "map tiles of the site", media=(_MEDIA,))]
