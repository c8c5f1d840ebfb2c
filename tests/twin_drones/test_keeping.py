"""Flights, scans and their files survive a backup and an export, and go when the site's policy says so."""

from pathlib import Path
from typing import Any

import msgspec

from tests.twin_drones.conftest import SLAB, WALLS, Drones, flying, until
from tests.twin_drones.test_live import Vehicle, seconds
from tests.twin_drones.test_scans import JUNE, Scan, judged
from twin.backup import restore
from twin.drones_retention import forget_old
from twin.retention import Policies
from twin.store import Store
from twin.transfer import export_to, import_from


def told(twin: Drones) -> dict[str, Any]:
    """What a twin says of drones, without what depends on the moment."""
    flights = twin.get("/flights")["items"]
    [scan] = twin.get("/scans")["items"]
    return {
        "flights": flights,
        "tracks": [twin.get(f"/flights/{one['id']}")["track"] for one in flights],
        "scan": scan,
        "verdicts": twin.get(f"/scans/{scan['id']}/verdicts")["items"],
        "cloud": twin.client.get(f"/scans/{scan['id']}/cloud/L0.bin").content,
        "poses": twin.post("/query", {"sql": "SELECT count(*) FROM poses"}, 200)["rows"],
    }


def filled(house: Drones, logs: Path, scan_of: Scan) -> dict[str, Any]:
    """A twin that has flown, live and by a log, and scanned."""
    vehicle = Vehicle(house)
    start_us = house.twin.clock.wall_us() - 3_600_000_000
    vehicle.happens(start_us, "armed")
    vehicle.poses(seconds(start_us, 60), 3.0)
    vehicle.happens(start_us + 59_000_000, "disarmed")
    until(lambda: house.get("/flights")["total"] or None)
    assert house.ended(house.send(logs / "dji_srt" / "p4_rtk.SRT")["id"])["state"] == "done"
    assert judged(house, scan_of([SLAB, *WALLS[:2]]), "june", JUNE)["state"] == "done"
    return told(house)


def test_a_restored_backup_and_an_imported_export_know_the_same(
    house: Drones, logs: Path, scan_of: Scan, tmp_path: Path
) -> None:
    before = filled(house, logs, scan_of)
    assert len(before["flights"]) == 2
    assert before["poses"] == [[60]]
    house.twin.store.backup(tmp_path / "backup")
    export_to(house.twin.store, tmp_path / "export")
    restore(tmp_path / "backup", tmp_path / "restored")
    with flying(tmp_path / "restored") as twin:
        assert told(twin) == before
        scan = before["scan"]["id"]
        assert twin.client.get(f"/scans/{scan}/evidence/none.ply").status_code == 404
    with Store.open(tmp_path / "imported", site="lab") as store:
        added = import_from(store, tmp_path / "export")
        assert (added["poses"], added["flights"]) == (60, 2)
        assert import_from(store, tmp_path / "export")["poses"] == 0
    with flying(tmp_path / "imported") as twin:
        after = told(twin)
        strangers = {"name", "type", "storey"}  # an export carries no model
        for one in (*after["verdicts"], *before["verdicts"]):
            for name in strangers:
                one.pop(name)
        assert sorted(after["verdicts"], key=str) == sorted(before["verdicts"], key=str)
        assert {key: after[key] for key in ("flights", "tracks", "scan", "cloud")} == {
            key: before[key] for key in ("flights", "tracks", "scan", "cloud")
        }


def test_the_policy_of_a_site_lets_files_and_flights_go_and_verdicts_stay(
    house: Drones, logs: Path, scan_of: Scan
) -> None:
    before = filled(house, logs, scan_of)
    drones, store = house.twin.drones, house.twin.store
    policies = msgspec.convert({"upload_days": 30, "flight_days": 30, "scan_days": 30}, type=Policies)
    now_us = store.clock.wall_us()
    nothing = {"uploads": 0, "flights": 0, "scans": 0}
    assert forget_old(store, drones.folders, policies, now_us) == nothing
    assert forget_old(store, drones.folders, Policies(), now_us + 10**15) == nothing
    gone = forget_old(store, drones.folders, policies, now_us + 31 * 86_400_000_000)
    assert gone == {"uploads": 3, "flights": 2, "scans": 1}
    assert list(drones.folders.files.iterdir()) == []
    assert house.get("/flights")["total"] == 0
    scan = before["scan"]["id"]
    assert house.client.get(f"/scans/{scan}/cloud/L0.bin").status_code == 404
    assert house.get(f"/scans/{scan}/verdicts")["items"] == before["verdicts"]
