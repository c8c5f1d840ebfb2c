"""Files that are broken, strange or too many: refused with what to do, set aside, and no other is the worse for it."""

import random
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.twin_drones.conftest import Drones, until
from twin import uploads_intake as twin_uploads
from twin import uploads_work as twin_work
from twin.uploads_disk import DroneFolders
from twin.uploads_kinds import kind_of_upload, plain_name, suffix_of
from twin.writer import StoreUnavailableError
from wire.errors import InputError


def test_broken_files_are_refused_by_name_and_field_and_set_aside_while_others_go_on(twin: Drones, logs: Path) -> None:
    log = (logs / "mavlink" / "vtol.tlog").read_bytes()
    broken = [
        twin.send(b"\x00" * 5_000, "nothing.ulg", group="mixed"),
        twin.send(b"PK\x03\x04" + b"\xff" * 500, "bomb.kmz", group="mixed"),
    ]
    good = twin.send(log, "flight.tlog", group="mixed")
    twin.commit("mixed")
    for one, name in zip(broken, ("nothing.ulg", "bomb.kmz"), strict=True):
        ended = twin.ended(one["id"])
        assert ended["state"] == "refused"
        assert ended["problem"]["file"] == name
        assert ended["problem"]["fix"]
    assert twin.ended(good["id"])["state"] == "done"
    assert twin.get("/uploads")["counts"] == {"received": 3, "refused": 2, "done": 1, "quarantined": 2}
    assert len(list((twin.twin.store.data_dir / "drones" / "quarantine").iterdir())) == 2


def test_a_damaged_log_gives_what_is_whole_and_says_that_it_is_damaged(twin: Drones, logs: Path) -> None:
    data = bytearray((logs / "mavlink" / "vtol.tlog").read_bytes())
    dice = random.Random(5)
    for _ in range(50):
        data[dice.randrange(len(data) // 2, len(data))] ^= 0xFF
    done = twin.ended(twin.send(bytes(data), "hurt.tlog")["id"])
    assert done["state"] == "done"
    assert any("damaged" in one["text"] for one in done["reasons"])
    assert twin.get(f"/flights/{done['flight']}")["positions"] > 500


def test_a_file_that_kills_its_reader_is_set_aside_and_the_rest_of_its_group_is_read(
    twin: Drones, logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, runs = twin_work.run_child, []

    def dies(module: str, arguments: Any, folder: Path, wall_s: float, look: Any = None) -> int | None:
        runs.append(folder)
        if len(runs) == 1:
            (folder / "progress").write_bytes(b'{"share":0.2,"file":"%s"}' % bad["id"].encode())
            return -11
        return real(module, arguments, folder, wall_s, look)

    monkeypatch.setattr(twin_work, "run_child", dies)
    bad = twin.send(logs / "dji_srt" / "air2s.srt", group="pair")
    good = twin.send(logs / "ulog" / "sample_log_small.ulg", group="pair")
    twin.commit("pair")
    failed = twin.ended(bad["id"])
    assert (failed["state"], failed["problem"]["file"]) == ("failed", "air2s.srt")
    assert "SIGSEGV" in failed["problem"]["problem"]
    assert twin.ended(good["id"])["state"] == "done"
    assert len(runs) == 2


def test_a_disk_that_is_full_for_a_while_costs_no_upload(
    twin: Drones, logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, tries = twin.twin.drones.flights.put, []

    def full(*given: Any, **more: Any) -> dict[str, str]:
        tries.append(1)
        if len(tries) <= 4:
            raise StoreUnavailableError("no space left")
        return real(*given, **more)

    monkeypatch.setattr(twin_work, "_FULL_S", 0.05)
    monkeypatch.setattr(twin.twin.drones.flights, "put", full)
    assert twin.ended(twin.send(logs / "dji_srt" / "p4_rtk.SRT")["id"])["state"] == "done"
    assert len(tries) == 5
    assert twin.get("/flights")["total"] == 1


def test_what_cannot_be_is_refused_before_a_byte_is_kept(twin: Drones, monkeypatch: pytest.MonkeyPatch) -> None:
    for params, field in (
        ({"name": "virus.exe"}, "name"),
        ({"name": "..."}, "name"),
        ({"name": "x.ulg", "kind": "cloud"}, "name"),
        ({"name": "x.ulg", "group": "../../etc"}, "group"),
        ({"name": "x.las", "shift": "1,2"}, "shift"),
        ({"name": "x.ulg", "resume": "u0000000000000000"}, "id"),
        ({}, "name"),
    ):
        answer = twin.client.post("/uploads", params=params, content=b"abc")
        assert answer.status_code in (400, 404), (params, answer.text)
        assert answer.json()["field"] == field
        assert answer.json()["fix"]
    assert twin.client.post("/uploads", params={"name": "x.ulg"}, content=b"").json()["field"] == "body"
    monkeypatch.setattr(twin_uploads, "FILE_BYTES_MAX", 1_000)
    assert twin.client.post("/uploads", params={"name": "x.ulg"}, content=b"a" * 1_001).status_code == 413
    monkeypatch.setattr(twin_uploads, "A_MINUTE_MAX", 0)
    busy = twin.client.post("/uploads", params={"name": "x.ulg"}, content=b"abc")
    assert busy.status_code == 429
    assert twin.get("/uploads")["total"] == 0
    assert list((twin.twin.store.data_dir / "drones" / "files").iterdir()) == []
    twin.commit("nobody", status=404)


def test_a_full_disk_refuses_the_file_and_says_so(twin: Drones, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: DroneFolders, more_bytes: int) -> None:
        raise InputError("the disk of the twin has 3 MiB left", field="body", fix="delete uploads")

    monkeypatch.setattr(DroneFolders, "check_room", full)
    answer = twin.client.post("/uploads", params={"name": "x.ulg"}, content=b"abc")
    assert (answer.status_code, answer.json()["detail"]) == (400, "the disk of the twin has 3 MiB left")


def test_a_deleted_upload_that_waits_or_works_is_gone_for_good(twin: Drones, logs: Path) -> None:
    sent = [twin.send(logs / "dji_srt" / name) for name in ("air2s.srt", "mavic_pro.SRT", "p4_rtk.SRT")]
    for one in sent:
        twin.client.delete(f"/uploads/{one['id']}").raise_for_status()
    until(lambda: True if twin.twin.drones.work._group == "" else None)
    assert twin.get("/uploads")["total"] == 0
    assert twin.get("/flights")["total"] == 0
    assert twin.client.delete(f"/uploads/{sent[0]['id']}").status_code == 404


@pytest.mark.parametrize("seed", range(40))
def test_no_name_reaches_the_file_system(seed: int) -> None:
    dice = random.Random(seed)
    signs = ["/", "\\", "..", ".", "\0", "\u202e", "a", "ž", " ", "%", "~", ".las", ".LAZ", ".tlog", "\n"]
    name = "".join(dice.choice(signs) for _ in range(dice.randint(0, 12)))
    try:
        plain = plain_name(name)
        kind_of_upload(plain, None, grouped=dice.random() < 0.5)
    except InputError as refusal:
        plain, field = f"refused{name[:0]}.las", refusal.field
    else:
        field = "name"
    assert field == "name"
    assert not {"/", "\\", "\0", "\n"} & set(plain)
    assert suffix_of(plain).isascii()
    assert suffix_of(plain)[1:].isalnum()


def test_no_value_makes_a_call_about_drones_fail(twin: Drones, logs: Path) -> None:
    twin.ended(twin.send(logs / "dji_srt" / "p4_rtk.SRT")["id"])
    document = httpx.get(f"{twin.url}/openapi.json", timeout=60).json()
    dice = random.Random(11)
    values = ["", "0", "-1", "1e309", "NaN", "true", "\0", "x" * 300, "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"]
    names = ("/uploads", "/flights", "/photos", "/scans", "/state")
    for path, operations in document["paths"].items():
        if not path.startswith(tuple(f"/api/v1{name}" for name in names)):
            continue
        for method, operation in operations.items():
            asked = [one["name"] for one in operation["parameters"] if one["in"] == "query"]
            for _ in range(8):
                filled = path.removeprefix("/api/v1")
                for one in operation["parameters"]:
                    if one["in"] == "path":
                        filled = filled.replace(f"{{{one['name']}}}", dice.choice(["1", "x", "%00", "%ff", "-1"]))
                query = {name: dice.choice(values) for name in dice.sample(asked, dice.randint(0, len(asked)))}
                answer = twin.client.request(method, filled, params=query)
                assert answer.status_code < 500, (method, filled, query, answer.text)
