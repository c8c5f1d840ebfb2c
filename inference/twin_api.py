"""A running twin, asked over HTTP by training and by the roll-out of models; the standard library is enough."""

import json
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pyarrow as pa

from inference.limits import ANSWER_BYTES_MAX
from wire.errors import Aid4Error, InputError

__all__ = ["TwinApi"]

_WAIT_S = 120.0
_ARROW = "application/vnd.apache.arrow.stream"


class TwinApi:
    """Calls below `URL/api/v1`; signed when a token file is given. Raises InputError for what a person can mend."""

    def __init__(self, url: str, token_file: Path | None = None) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise InputError(f"{url!r} is no address of a twin", field="--url", fix="write http://127.0.0.1:8480")
        self._base = url.rstrip("/") + "/api/v1"
        # a proxy in the environment is for other hosts
        proxies = urllib.request.ProxyHandler({} if parts.hostname in {"127.0.0.1", "::1", "localhost"} else None)
        self._opener = urllib.request.build_opener(proxies)
        self._token = _token(token_file) if token_file else None

    def get(self, path: str) -> Any:
        """The JSON of a GET."""
        return json.loads(self._call("GET", path))

    def fetch(self, path: str) -> bytes:
        """The bytes of a GET."""
        return self._call("GET", path)

    def post(self, path: str, body: Any) -> Any:
        """The JSON of a POST of JSON."""
        return json.loads(self._call("POST", path, json.dumps(body).encode(), "application/json"))

    def put(self, path: str, data: bytes) -> Any:
        """The JSON of a POST of bytes."""
        return json.loads(self._call("POST", path, data, "application/octet-stream"))

    def sql(self, text: str, limit_rows: int) -> pa.Table:
        """The rows of a SELECT."""
        body = json.dumps({"sql": text, "limit_rows": limit_rows}).encode()
        with pa.ipc.open_stream(self._call("POST", "/query", body, "application/json", _ARROW)) as stream:
            return stream.read_all()

    def _call(self, method: str, path: str, data: bytes | None = None, kind: str = "", accept: str = "*/*") -> bytes:
        headers = {"Accept": accept} | ({"Content-Type": kind} if kind else {})
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        request = urllib.request.Request(self._base + path, data, headers, method=method)  # noqa: S310  (checked above)
        try:
            with self._opener.open(request, timeout=_WAIT_S) as answer:
                found: bytes = answer.read(ANSWER_BYTES_MAX + 1)
        except urllib.error.HTTPError as error:
            raise _problem(error) from error
        except (OSError, urllib.error.URLError) as error:
            fix = "start it with `aid4 twin serve` or `aid4 run`, or give another --url"
            raise InputError(f"no twin answers at {self._base}: {error}", field="--url", fix=fix) from error
        if len(found) > ANSWER_BYTES_MAX:
            raise InputError("the twin's answer does not end", field=path, fix="ask for a shorter span")
        return found


def _token(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise InputError(f"cannot be read: {error}", file=str(file), field="--token-file", fix="see docs") from error


def _problem(error: urllib.error.HTTPError) -> Aid4Error:
    try:
        document = json.loads(error.read(65_536))
    except ValueError:
        document = {}
    detail = str(document.get("detail") or f"the twin answered {error.code}")
    if error.code >= 500:
        return Aid4Error(detail)
    return InputError(detail, field=document.get("field") or "", fix=document.get("fix") or "")
