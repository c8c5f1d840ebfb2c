"""A twin that is killed in the middle of an upload or of its work has then lost nothing and doubled nothing."""

import hashlib
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from tests.twin_drones.conftest import ENDED, until
from tests.twin_plan.test_kill import _serve


@contextmanager
def killed(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A twin of its own process, killed at the end at the latest."""
    child, url = _serve(folder)
    try:
        yield child, url
    finally:
        if child.poll() is None:
            os.kill(child.pid, signal.SIGKILL)
            child.wait()


def site(folder: Path) -> None:
    (folder / "site").mkdir()
    (folder / "site" / "site.toml").write_text('name = "lab"\n')


def test_an_upload_cut_off_by_a_kill_is_resumed_where_it_broke_off(tmp_path: Path, logs: Path) -> None:
    site(tmp_path)
    data = (logs / "mavlink" / "vtol.tlog").read_bytes()
    half = len(data) // 2
    with killed(tmp_path) as (_, url):
        address = urlsplit(url)
        with socket.create_connection((address.hostname, address.port), 60) as line:
            head = f"POST /api/v1/uploads?name=vtol.tlog HTTP/1.1\r\nHost: {address.netloc}\r\n"
            line.sendall(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data[:half])
            with httpx.Client(base_url=f"{url}/api/v1", timeout=60) as client:
                until(lambda: True if _bytes(client) >= half else None)
    with killed(tmp_path) as (_, url), httpx.Client(base_url=f"{url}/api/v1", timeout=60) as client:
        [broken] = client.get("/uploads", params={"state": "receiving"}).json()["items"]
        have = broken["bytes"]
        assert 0 < have <= half
        wrong = client.post("/uploads", params={"resume": broken["id"], "offset": have + 1}, content=b"x")
        assert wrong.status_code == 409
        assert wrong.json()["fix"] == f"send offset={have}"
        sent = client.post("/uploads", params={"resume": broken["id"], "offset": have}, content=data[have:])
        assert sent.status_code == 202, sent.text
        assert sent.json()["sha256"] == hashlib.sha256(data).hexdigest()
        assert _ended(client, broken["id"])["state"] == "done"
        assert client.get("/flights").json()["total"] == 1


def test_work_cut_off_by_a_kill_goes_on_after_the_start_and_is_done_once(tmp_path: Path, logs: Path) -> None:
    site(tmp_path)
    files = [logs / "mavlink" / "vtol.tlog", logs / "ulog" / "sample_log_small.ulg", logs / "dji_srt" / "p4_rtk.SRT"]
    with killed(tmp_path) as (_, url), httpx.Client(base_url=f"{url}/api/v1", timeout=60) as client:
        ids = [_send(client, file) for file in files]
        until(lambda: True if _states(client, ids) & {"reading", "done"} else None)
    with killed(tmp_path) as (_, url), httpx.Client(base_url=f"{url}/api/v1", timeout=60) as client:
        ended = [_ended(client, upload) for upload in ids]
        assert {one["state"] for one in ended} == {"done"}
        assert client.get("/flights").json()["total"] == 3
        assert len({one["flight"] for one in ended}) == 3
        again = _send(client, files[0])
        assert again == ids[0]
        client.delete(f"/uploads/{ids[0]}").raise_for_status()
        assert client.get("/flights").json()["total"] == 2
    with killed(tmp_path) as (_, url), httpx.Client(base_url=f"{url}/api/v1", timeout=60) as client:
        assert client.get("/flights").json()["total"] == 2
        kept = {path.name for path in (tmp_path / "data" / "drones" / "files").iterdir()}
        assert {name.partition(".")[0] for name in kept} == set(ids[1:])


def _bytes(client: httpx.Client) -> int:
    items = client.get("/uploads").json()["items"]
    return int(items[0]["bytes"]) if items else 0


def _send(client: httpx.Client, file: Path) -> str:
    answer = client.post("/uploads", params={"name": file.name}, content=file.read_bytes())
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def _states(client: httpx.Client, uploads: list[str]) -> set[str]:
    return {client.get(f"/uploads/{upload}").json()["state"] for upload in uploads}


def _ended(client: httpx.Client, upload: str) -> dict[str, str]:
    found: dict[str, str] = until(
        lambda: one if (one := client.get(f"/uploads/{upload}").json())["state"] in ENDED else None
    )
    return found
