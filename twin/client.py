"""A running twin, asked over HTTP by the command line; the standard library is enough for that."""

import json
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from wire.errors import Aid4Error, InputError

__all__ = ["RemoteTwin"]

_WAIT_S = 120.0


class RemoteTwin:
    """Calls of one twin at `url`; with `token_file` signed."""

    def __init__(self, url: str, token_file: Path | None = None) -> None:
        if urllib.parse.urlsplit(url).scheme not in {"http", "https"}:
            raise InputError(f"{url!r} is no address of a twin", field="--url", fix="write http://127.0.0.1:8480")
        self._base = url.rstrip("/") + "/api/v1"
        here = urllib.parse.urlsplit(url).hostname in {"127.0.0.1", "::1", "localhost"}
        proxies = urllib.request.ProxyHandler({} if here else None)  # a proxy is for other hosts
        self._opener = urllib.request.build_opener(proxies, urllib.request.HTTPCookieProcessor())
        self._more: dict[str, str] = {}
        self._token = token_file.read_text().strip() if token_file else None

    def get(self, path: str, **query: str | int | None) -> Any:
        """The JSON of a GET; parameters that are None are left out."""
        given = {name: value for name, value in query.items() if value is not None}
        return self._call("GET", f"{path}?{urllib.parse.urlencode(given)}" if given else path)

    def document(self, path: str, **query: str | int | None) -> bytes:
        """The body of a GET as it is."""
        given = {name: value for name, value in query.items() if value is not None}
        return self._answer("GET", f"{path}?{urllib.parse.urlencode(given)}" if given else path)

    def sign_in(self, name: str, password: str) -> None:
        """Make the calls that follow as this person."""
        signed = self.post("/session", {"name": name, "password": password})
        self._more["X-CSRF-Token"] = signed["csrf"]

    def delete(self, path: str) -> Any:
        """The JSON of a DELETE."""
        return self._call("DELETE", path)

    def post(self, path: str, body: Any) -> Any:
        """The JSON of a POST."""
        return self._call("POST", path, json.dumps(body).encode())

    def send(self, path: str, data: bytes, **query: str | int | None) -> Any:
        """The JSON of a POST of bytes as they are."""
        given = {name: value for name, value in query.items() if value is not None}
        target = f"{path}?{urllib.parse.urlencode(given)}" if given else path
        return json.loads(self._answer("POST", target, data, "application/octet-stream"))

    def _call(self, method: str, path: str, data: bytes | None = None) -> Any:
        return json.loads(self._answer(method, path, data))

    def _answer(self, method: str, path: str, data: bytes | None = None, media: str = "application/json") -> bytes:
        headers = self._more | ({"Content-Type": media} if data is not None else {})
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        request = urllib.request.Request(self._base + path, data, headers, method=method)  # noqa: S310  (checked above)
        try:
            with self._opener.open(request, timeout=_WAIT_S) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            raise _problem(error) from error
        except (urllib.error.URLError, TimeoutError) as error:
            fix = "start one with `aid4 twin serve`, or give --data-dir of a stopped one"
            raise InputError(f"no twin answers at {self._base}: {error}", field="--url", fix=fix) from error


def _problem(error: urllib.error.HTTPError) -> Aid4Error:
    try:
        document = json.load(error)
    except ValueError:
        return Aid4Error(f"the twin answered {error.code}")
    if error.code >= 500:
        return Aid4Error(str(document.get("detail")))
    return InputError(str(document.get("detail")), field=document.get("field") or "", fix=document.get("fix") or "")
