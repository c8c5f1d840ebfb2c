"""What people send becomes a flight, a refusal that says what to do, or nothing twice; never a dead twin."""

from pathlib import Path
from typing import Any

import httpx
import pytest


def test_a_real_log_that_is_sent_becomes_a_flight_with_its_track(twin: Any, logs: Path) -> None:
    sent = twin.send(logs / "mavlink" / "vtol.tlog")
    assert sent["state"] in ("queued", "reading", "done")
    done = twin.ended(sent["id"])
    assert (done["state"], done["kind"], done["problem"]) == ("done", "log", None)
    [flight] = twin.get("/flights")["items"]
    assert flight["id"] == done["flight"]
    assert flight["source"] == "upload"
    assert flight["positions"] == 807
    assert flight["start"].startswith("2018-08-08T14:05:4")
    assert flight["duration_s"] == pytest.approx(207.6, abs=0.1)
    assert flight["height_datum"] == "orthometric"
    assert flight["bounds"] == pytest.approx([149.1639194, -35.364806, 149.1658788, -35.360757])
    assert {one["kind"] for one in flight["events"]}
    detail = twin.get(f"/flights/{flight['id']}", width=100)
    track = detail["track"]
    assert len(track["ts_ms"]) == 100
    assert track["ts_ms"] == sorted(track["ts_ms"])
    assert track["lat_deg"][0] == pytest.approx(-35.3627, abs=0.003)
    assert track["x"] == [None] * 100  # there is no model


def test_a_table_of_positions_is_a_flight_and_a_list_of_links_is_none(twin: Any, logs: Path) -> None:
    rows = "".join(f"2026-05-01T10:00:{second:02}Z,48.96,{18.16 + second * 1e-4:.5f},250\n" for second in range(60))
    sent = twin.send(f"timestamp,latitude,longitude,altitude_m\n{rows}".encode(), "way.csv")
    done = twin.ended(sent["id"])
    assert done["state"] == "done", done
    assert twin.get("/flights")["items"][0]["positions"] == 60
    links = twin.send(b"GlobalId,task_id\n20WrgxqpbDtferON_k1P2X,T1\n", "links.csv", status=201)
    assert len(links["id"]) == 64
    assert 'aid4_uploads_total{what="done"} 1.0' in httpx.get(f"{twin.url}/metrics", timeout=60).text


def test_photos_of_a_group_are_shown_with_the_flight_on_which_they_were_taken(twin: Any, logs: Path) -> None:
    names = ("DJI_0018.JPG", "DJI_0019.JPG", "DJI_0020.JPG")
    sent = [twin.send(logs / "photos" / name, group="photos-1") for name in names]
    assert {one["state"] for one in sent} == {"receiving"}
    assert twin.send(logs / "photos" / names[0], group="photos-1")["id"] == sent[0]["id"]  # sent again: nothing twice
    assert twin.get("/flights")["total"] == 0
    twin.commit("photos-1")
    ended = [twin.ended(one["id"]) for one in sent]
    assert {one["state"] for one in ended} == {"done"}
    [flight] = {one["flight"] for one in ended}
    detail = twin.get(f"/flights/{flight}")
    assert [photo["name"] for photo in detail["photos"]] == list(names)
    assert detail["photos"][0]["pitch_deg"] == pytest.approx(-89.9, abs=0.01)
    assert detail["photos"][0]["lat_deg"] == pytest.approx(46.8426, abs=1e-3)
    image = twin.client.get(f"/photos/{ended[0]['id']}/image")
    assert image.content == (logs / "photos" / names[0]).read_bytes()
    assert image.headers["content-type"] == "image/jpeg"
    assert twin.get("/flights")["items"][0]["photos"] == 3
