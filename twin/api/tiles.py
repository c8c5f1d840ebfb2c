"""GET /tiles: the geometry of the live model, and its files, which never change."""

from pathlib import Path

import msgspec
from starlette.responses import FileResponse, Response

from bim.tiles import TileSet
from twin.api.errors import ProblemError
from twin.api.operation import Call, NoQuery, Operation, json_response
from twin.tiles import Building, Failed

__all__ = ["OPERATIONS"]

_MEDIA = {
    ".glb": "model/gltf-binary",
    ".svg": "image/svg+xml",
    ".arrow": "application/vnd.apache.arrow.file",
    ".json": "application/json",
}
_LASTING = "public, max-age=31536000, immutable"  # the address names what the file is made of
_RETRY_S = "1"


class TilesAnswer(msgspec.Struct):
    """Tiles of the live model; its files lie below `base`."""

    revision: int
    base: str
    tileset: TileSet


class TilesProgress(msgspec.Struct):
    """The answer, with status 202, while they are built. `progress` is a share, 0 to 1."""

    state: str
    progress: float
    detail: str


async def show_tiles(call: Call[NoQuery, None]) -> Response:
    """The tile set, or how far its building is."""
    current = call.twin.tiles.current
    if current is None:
        raise ProblemError("there is no model", status=404, fix="POST /api/v1/changes with a model")
    if isinstance(current, Failed):
        raise ProblemError(f"the live model has no tiles: {current.problem}", status=409, fix=current.fix)
    if isinstance(current, Building):
        step = current.step
        detail = f"{step.stage} {step.done} of {step.total}"
        answer = json_response(TilesProgress("building", round(step.share, 4), detail), 202)
        answer.headers["Retry-After"] = _RETRY_S
        return answer
    base = f"/api/v1/tiles/{current.key}/"
    answer = json_response(TilesAnswer(current.revision, base, current.tileset))
    answer.headers["Cache-Control"] = "no-cache"
    return answer


async def show_file(call: Call[NoQuery, None]) -> Response:
    """One file, compressed as the client takes it."""
    key, name = call.path["sha256"], call.path["file"]
    path = call.twin.tiles.file(key, name)
    if path is None:
        raise ProblemError(f"no such file: {name[:80]!r}", status=404, fix="GET /api/v1/tiles names them")
    encoding, packed = _packed(path, call.request.headers.get("accept-encoding", ""))
    etag = f'"{key[:24]}-{name}{f"-{encoding}" if encoding else ""}"'
    headers = {"ETag": etag, "Cache-Control": _LASTING, "Vary": "Accept-Encoding"}
    if etag in call.request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if encoding:
        headers["Content-Encoding"] = encoding
    return FileResponse(packed, headers=headers, media_type=_MEDIA[path.suffix])


def _packed(path: Path, accepted: str) -> tuple[str, Path]:
    """The best form that the client takes: "br", "gzip" or as it is."""
    taken = {name for part in accepted.split(",") if (name := _taken(part))}
    for encoding, ending in (("br", "br"), ("gzip", "gz")):
        packed = path.with_name(f"{path.name}.{ending}")
        if encoding in taken and packed.is_file():
            return encoding, packed
    return "", path


def _taken(part: str) -> str:
    """Name of an encoding in Accept-Encoding, "" when its weight is 0."""
    name, _, weight = part.strip().lower().partition(";")
    refused = weight.replace(" ", "") in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return "" if refused else name.strip()


OPERATIONS: list[Operation] = [
    Operation("GET", "/tiles", show_tiles, "geometry of the live model; 202 while it is built", answer=TilesAnswer),
    Operation("GET", "/tiles/{sha256}/{file}", show_file, "one file of it", media=tuple(_MEDIA.values())),
]
