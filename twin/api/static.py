"""The built page: its files by ETag, gzip where it was precompressed, and index.html for every other path."""

import hashlib
import mimetypes
from functools import lru_cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response

from twin.api.errors import problem

__all__ = ["StaticPage"]

_MISSING = """<!doctype html><html lang="en"><meta charset="utf-8"><title>AID4</title>
<h1>The page is not built</h1><p>The twin runs, its API answers under <a href="/api/v1/site">/api/v1</a>.
To build the page: <code>make web</code>, then load this again.</p></html>"""
_HASHED = ("assets/",)  # names that change with their content


class StaticPage:
    """Serves a folder; nothing outside it, whatever the path says."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()

    async def serve(self, request: Request) -> Response:
        """One file, or index.html."""
        path = request.path_params.get("path", "")
        if path.startswith("api/"):
            return problem(404, f"no such call: /{path[:120]}", fix="GET /openapi.json lists what there is")
        file = self._file(path)
        if file is None:
            if "." in path.rpartition("/")[2]:  # a file that is not there; a view of the page has no ending
                return problem(404, f"no such file: {path[:120]!r}")
            file = self._file("index.html")
        if file is None:
            return self._missing(request)
        return _answer(request, file, lasting=path.startswith(_HASHED))

    def _file(self, path: str) -> Path | None:
        if not path or "\0" in path or len(path) > 500:
            return self._file("index.html") if not path else None
        file = (self._folder / path).resolve()
        return file if file.is_relative_to(self._folder) and file.is_file() else None

    def _missing(self, request: Request) -> Response:
        if "text/html" in request.headers.get("accept", ""):
            return HTMLResponse(_MISSING, 503)
        return problem(503, "the page is not built", fix="run `make web`; the API answers under /api/v1")


def _answer(request: Request, file: Path, *, lasting: bool) -> Response:
    stat = file.stat()
    etag = _etag(file, stat.st_mtime_ns, stat.st_size)
    caching = "public, max-age=31536000, immutable" if lasting else "no-cache"
    headers = {"ETag": etag, "Cache-Control": caching, "Vary": "Accept-Encoding"}
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    media = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    packed = file.with_name(file.name + ".gz")
    if "gzip" in request.headers.get("accept-encoding", "") and packed.is_file():
        return FileResponse(packed, headers=headers | {"Content-Encoding": "gzip"}, media_type=media)
    return FileResponse(file, headers=headers, media_type=media)


@lru_cache(maxsize=512)
def _etag(file: Path, _mtime_ns: int, _size: int) -> str:
    return f'"{hashlib.sha256(file.read_bytes()).hexdigest()[:24]}"'
