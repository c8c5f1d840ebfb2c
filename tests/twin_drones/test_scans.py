"""A cloud that is dropped in becomes a verdict for each element, a late task an alarm and an issue; and it can be
undone. The scans are simulated on a real model, so what stands is known."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bim.bcf.read import read_bcf
from tests.twin_drones.conftest import SLAB, WALLS, Drones, until

JUNE, JULY, AUGUST = "2026-06-20T12:00:00Z", "2026-07-20T12:00:00Z", "2026-08-20T12:00:00Z"
Scan = Callable[..., tuple[Path, Path]]


def judged(twin: Drones, files: tuple[Path, Path], group: str, at: str, **more: Any) -> dict[str, Any]:
    """Send a cloud with its stations; the cloud's upload when it ended."""
    cloud, _ = [twin.send(file, group=group) for file in files]
    twin.commit(group, at=at, **more)
    return twin.ended(cloud["id"])


def alarms(twin: Drones, *states: str) -> dict[str, dict[str, Any]]:
    """Alarms of scans by key."""
    found = twin.get("/alarms", source="scan", **({"state": list(states)} if states else {}))["items"]
    return {one["key"]: one for one in found}


def test_a_cloud_becomes_verdicts_alarms_and_an_issue_and_a_later_one_withdraws_them(
    house: Drones, scan_of: Scan
) -> None:
    missing = judged(house, scan_of([SLAB, WALLS[0], WALLS[2]]), "june", JUNE)
    assert (missing["state"], missing["problem"]) == ("done", None)
    scan = house.get(f"/scans/{missing['scan']}")
    assert scan["accepted"]
    assert scan["simulated"]
    assert scan["at"].startswith("2026-06-20T12:00:00")
    items = house.get(f"/scans/{scan['id']}/verdicts")["items"]
    verdicts = {one["global_id"]: one for one in items}
    assert {gid: verdicts[gid]["verdict"] for gid in (SLAB, *WALLS)} == {
        SLAB: "built", WALLS[0]: "built", WALLS[1]: "not built", WALLS[2]: "built", WALLS[3]: "not built",
    }  # fmt: skip
    assert [one["global_id"] for one in items if one["late"]] == [WALLS[1]]
    assert [one["global_id"] for one in items if one["early"]] == [WALLS[2]]
    assert abs(verdicts[SLAB]["deviation_mm"]["mean"]) < 5
    only = house.get(f"/scans/{scan['id']}/verdicts", off="late")
    assert (only["total"], only["items"][0]["name"]) == (1, "Wall #2")

    raised = until(lambda: found if len(found := alarms(house)) == 2 else None)
    late = raised["scan:T2:scan_late"]
    assert (late["state"], late["element"], late["detail"]["elements"]) == ("unacknowledged", WALLS[1], [WALLS[1]])
    assert late["consequence"]
    assert late["action"]
    assert late["respond_min"]
    assert raised["scan:T3:scan_early"]["detail"]["elements"] == [WALLS[2]]

    _bcf_names_the_late_task_and_its_evidence(house, scan["id"])
    _cloud_and_evidence_are_served(house, scan["id"])

    known = house.now()
    full = judged(house, scan_of([SLAB, *WALLS[:3]]), "july", JULY)
    assert full["state"] == "done"
    until(lambda: True if set(alarms(house, "unacknowledged")) == {"scan:T3:scan_early"} else None)
    assert set(alarms(house, "returned")) == {"scan:T2:scan_late"}
    _state_is_bitemporal(house, known)

    house.client.delete(f"/uploads/{full['id']}").raise_for_status()
    until(lambda: True if len(alarms(house, "unacknowledged")) == 2 else None)
    assert house.get("/scans")["total"] == 1
    assert [one["verdict"] for one in house.get(f"/elements/{WALLS[1]}")["verdicts"]] == ["not built"]


def _bcf_names_the_late_task_and_its_evidence(house: Drones, scan: str) -> None:
    answer = house.client.get(f"/scans/{scan}/bcf")
    assert answer.status_code == 200
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert "bcf.version" in archive.namelist()
    path = house.twin.store.data_dir / "out.bcf"
    path.write_bytes(answer.content)
    topics = {topic.title: topic for topic in read_bcf(path).topics}
    assert set(topics) == {"Late: Walls", "Early: More walls"}
    late = topics["Late: Walls"]
    [view] = late.viewpoints
    assert view.elements == [WALLS[1]]
    assert view.camera is not None
    wall = np.array([view.camera.position, view.camera.direction])
    assert np.isfinite(wall).all()
    assert f"/scans/{scan}/evidence/{WALLS[2]}.ply" in topics["Early: More walls"].links[0]


def _cloud_and_evidence_are_served(house: Drones, scan: str) -> None:
    detail = house.get(f"/scans/{scan}")
    assert {"levels.json", "L0.bin"} <= set(detail["cloud"])
    levels = house.get(f"/scans/{scan}/cloud/levels.json")
    first = levels["levels"][0]
    assert len(house.client.get(f"/scans/{scan}/cloud/L0.bin").content) == 12 * first["points"]
    for name in ("../../twin.duckdb", "%2e%2e%2ftwin.duckdb", "L0.bin.exe", "evidence"):
        assert house.client.get(f"/scans/{scan}/cloud/{name}").status_code == 404
    assert WALLS[2] in detail["evidence"]
    cropped = house.client.get(f"/scans/{scan}/evidence/{WALLS[2]}.ply")
    assert cropped.content.startswith(b"ply\n")
    assert house.client.get(f"/scans/{scan}/evidence/{SLAB}.ply").status_code == 404


def _state_is_bitemporal(house: Drones, known: str) -> None:
    """The wall that was missing in June: what was true then, and what was known before July's scan was judged."""

    def verdict(**query: str) -> str:
        found = house.get("/state", include="elements", **query)["elements"]
        return str(found["verdict_codes"][found["verdict"][found["global_id"].index(WALLS[1])]])

    assert verdict() == "built"
    assert verdict(at=AUGUST) == "built"
    assert verdict(at="2026-07-01T00:00:00Z") == "not built"
    assert verdict(at=AUGUST, known_at=known) == "not built"
    assert verdict(at="2026-06-01T00:00:00Z") == "none"
    element = house.get(f"/elements/{WALLS[1]}")
    assert element["verdict"] == "built"
    assert [one["verdict"] for one in element["verdicts"]] == ["built", "not built"]
    assert [one["late"] for one in element["verdicts"]] == [False, True]
    sql = f"SELECT verdict FROM verdicts WHERE element = '{WALLS[1]}' ORDER BY \"at\""
    assert house.post("/query", {"sql": sql}, 200)["rows"] == [["not built"], ["built"]]


def test_tasks_have_dates_by_scans_beside_those_that_people_reported(house: Drones, scan_of: Scan) -> None:
    assert judged(house, scan_of([SLAB, *WALLS[:2]]), "june", JUNE)["state"] == "done"
    house.change("actuals", {"set": [{"task": "T1", "start": "2026-06-01", "finish": "2026-06-04"}]})
    walls = until(lambda: one if (one := house.get("/tasks/T2")["scan"]) and one["forecast_finish"] else None)
    assert (walls["actual_by"], walls["percent"], walls["built"]) == ("scan", 100.0, 2)
    assert walls["actual_finish"].startswith("2026-06-20T12:00")
    task = house.get("/tasks/T2")
    assert (task["actual_finish"], task["actual"]) == (None, "unknown")
    slab = house.get("/tasks/T1")
    assert slab["actual_finish"].startswith("2026-06-0")
    assert slab["scan"]["actual_finish"].startswith("2026-06-20")
    later = {item["id"]: item["scan"] for item in house.get("/schedule")["items"]}
    assert later["T3"]["percent"] == 0.0
    assert house.get("/schedule", at="2026-06-10T00:00:00Z")["items"][0]["scan"] is None


def test_a_cloud_that_does_not_lie_on_the_model_is_refused_with_reasons_and_says_nothing(
    house: Drones, scan_of: Scan
) -> None:
    refused = judged(
        house, scan_of([SLAB, *WALLS[:2]], shift_m=(0.15, 0.0, 0.0), yaw_deg=0.3), "off", JUNE, register="false"
    )
    assert refused["state"] == "refused"
    assert refused["problem"]["field"] == "registration"
    assert all(reason["text"] and reason["fix"] for reason in refused["reasons"])
    scan = house.get(f"/scans/{refused['scan']}")
    assert not scan["accepted"]
    assert {one["verdict"] for one in house.get(f"/scans/{scan['id']}/verdicts")["items"]} == {"unknown"}
    found = house.get("/state", include="elements", at=JUNE)["elements"]
    assert set(found["verdict"]) == {0}
    assert alarms(house) == {}


def test_a_cloud_without_its_time_is_refused_and_judged_once_it_is_said(house: Drones, scan_of: Scan) -> None:
    cloud, stations = scan_of([SLAB, *WALLS[:2]])
    sent = house.send(cloud, group="when")
    house.send(stations, group="when")
    house.commit("when")
    refused = house.ended(sent["id"])
    assert (refused["state"], refused["problem"]["field"]) == ("refused", "at")
    house.commit("when", at=JUNE)
    done = until(lambda: one if (one := house.get(f"/uploads/{sent['id']}"))["state"] == "done" else None)
    assert done["scan"]


def test_without_a_model_a_cloud_is_refused_with_what_to_do(twin: Drones, logs: Path) -> None:
    sent = twin.send(logs / "pointcloud" / "simple.laz", at=JUNE)
    refused = twin.ended(sent["id"])
    assert (refused["state"], refused["problem"]["field"]) == ("refused", "model")
    assert "changes" in refused["problem"]["fix"]
    with pytest.raises(AssertionError, match="404"):
        twin.get("/scans/s0000")
