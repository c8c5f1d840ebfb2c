"""Lists of points go out as CSV and XLSX and come back in: shown first, made then, undone together."""

import asyncio
import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pytest
from click.testing import CliRunner

from twin.commissioning.cli import labels, points
from twin.commissioning.lists import COLUMNS, read_list, write_list
from wire.errors import InputError


async def sheet(park: Any, form: str) -> tuple[bytes, list[dict[str, str]]]:
    answer = await park.client.get("/api/v1/pointlist", params={"format": form})
    assert answer.status_code == 200
    return answer.content, read_list(answer.content)


async def take(park: Any, rows: list[dict[str, Any]], status: int = 200) -> Any:
    out = io.StringIO()
    writer = csv.DictWriter(out, [name for name in rows[0] if name != "row"], extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    answer = await park.client.post("/api/v1/pointlist", content=out.getvalue().encode())
    assert answer.status_code == status, answer.text
    return answer.json()


@pytest.mark.parametrize("form", ["csv", "xlsx"])
async def test_every_point_goes_out_with_its_place_limits_and_verification(park: Any, form: str) -> None:
    (power, *_) = (await park.get("/commissioning/meter"))["points"]
    body = {"points": [{"point": power["id"], "verdict": "ok", "seen": "=1+1", "note": "hall"}]}
    await park.post("/commissioning/meter", body, status=200)
    data, rows = await sheet(park, form)
    known = {view.key: view for view in park.twin.directory.views}
    assert {row["key"] for row in rows} == known.keys()
    one = next(row for row in rows if row["key"] == "gw/meter/power")
    assert (one["unit"], float(one["low"]), float(one["high"])) == ("kW", 0.0, 100.0)
    assert (one["verdict"], one["verified_by"]) == ("ok", "local")
    assert one["seen"] == "=1+1", "what a person wrote comes back as it was"
    if form == "xlsx":
        cells = openpyxl.load_workbook(io.BytesIO(data)).active
        assert [cell.value for cell in cells[1]] == list(COLUMNS)
        assert all(cell.data_type != "f" for row in cells.iter_rows() for cell in row), "no cell computes anything"
    else:
        assert b"'=1+1" in data, "a sheet that opens it takes it for a text"


async def test_a_list_that_nobody_changed_changes_nothing(park: Any) -> None:
    for form in ("csv", "xlsx"):
        data, _ = await sheet(park, form)
        answer = await park.client.post("/api/v1/pointlist", content=data)
        assert answer.status_code == 200, answer.text
        assert (answer.json()["diff"], answer.json()["problems"]) == ([], [])


async def test_limits_and_places_are_shown_first_then_made_and_undone_together(park: Any) -> None:
    _, rows = await sheet(park, "csv")
    by_key = {row["key"]: row for row in rows}
    by_key["gw/meter/power"] |= {"high": "80,5"}
    by_key["gw/ahu/setpoint"] |= {"element": "meter-1-guid"}
    change = await take(park, rows)
    assert change["state"] == "preview"
    paths = {row["path"] for row in change["diff"]}
    assert paths == {"/limits/gw/meter/power", "/bindings/gw/ahu/setpoint"}
    find = park.twin.directory.find
    assert find("gw/meter/power").high == 100, "a preview changes nothing"
    await park.post(f"/changes/{change['id']}/activate", {}, status=200)
    find = park.twin.directory.find
    assert (find("gw/meter/power").low, find("gw/meter/power").high) == (0, 80.5)
    assert find("gw/ahu/setpoint").element == "meter-1-guid"
    await park.post(f"/changes/{change['id']}/revert", {}, status=200)
    find = park.twin.directory.find
    assert find("gw/meter/power").high == 100
    assert find("gw/ahu/setpoint").element is None


async def test_a_dash_gives_a_point_back_what_it_had_by_itself(park: Any) -> None:
    rows = [{"key": "gw/meter/power", "low": "10", "high": "20"}]
    change = await take(park, rows)
    await park.post(f"/changes/{change['id']}/activate", {}, status=200)
    change = await take(park, [{"key": "gw/meter/power", "low": "-", "high": "-"}])
    await park.post(f"/changes/{change['id']}/activate", {}, status=200)
    assert park.twin.directory.find("gw/meter/power").high == 100


async def test_what_is_wrong_is_told_row_by_row_and_cannot_be_activated(park: Any) -> None:
    rows = [
        {"key": "gw/meter/power", "low": "90", "high": "20", "element": ""},
        {"key": "gw/nobody/x", "low": "1", "high": "", "element": ""},
        {"key": "gw/ahu/setpoint", "low": "warm", "high": "", "element": ""},
        {"key": "gw/meter/power", "low": "1", "high": "", "element": ""},
        {"key": "gw/ahu/fan", "low": "", "high": "", "element": "no-such-element"},
    ]
    change = await take(park, rows)
    told = "\n".join(change["problems"])
    for word in ("row 3: no point", "row 4, low: 'warm'", "row 5: gw/meter/power stands in row 2", "no-such-element",
                 "low 90 is not below high 20"):  # fmt: skip
        assert word in told
    refused = await park.client.post(f"/api/v1/changes/{change['id']}/activate", json={})
    assert refused.status_code == 409


@pytest.mark.parametrize(
    ("data", "field"),
    [
        (b"", "row 1"),
        (b"name,low\nx,1\n", "row 1"),
        (b"key,low,low\nx,1,2\n", "row 1"),
        (b"key,low\nx,1,2\n", "row 2"),
        (b"\xff\xfe\x00k", "body"),
        (b"PK\x03\x04 no workbook", "body"),
    ],
)
def test_a_file_that_is_no_list_is_refused(data: bytes, field: str) -> None:
    with pytest.raises(InputError) as caught:
        read_list(data)
    assert caught.value.field == field
    assert caught.value.fix


def test_damaged_lists_are_read_or_refused_and_nothing_else() -> None:
    rng = np.random.default_rng(3)
    book = openpyxl.Workbook()
    book.active.append(["key", "low"])
    for number in range(40):
        book.active.append([f"gw/d{number}/m", number])
    out = io.BytesIO()
    book.save(out)
    for whole in (out.getvalue(), b"key;low\r\n" + b"gw/a/b;1,5\r\n" * 40):
        outcomes = {"read": 0, "refused": 0}
        for _ in range(120):
            cut = bytearray(whole)
            for at in rng.integers(0, len(whole), 6):
                cut[at] = rng.integers(0, 256)
            try:
                rows = read_list(bytes(cut[: rng.integers(1, len(whole) + 1)] if rng.random() < 0.3 else cut))
                assert all(isinstance(cell, str) for row in rows for cell in row.values())
                outcomes["read"] += 1
            except InputError:
                outcomes["refused"] += 1
        assert sum(outcomes.values()) == 120
        assert outcomes["refused"] > 10


async def test_the_command_line_exports_previews_imports_and_undoes(park: Any, tmp_path: Path) -> None:
    def run(command: Any, *arguments: str) -> Any:
        return CliRunner().invoke(command, [*arguments, "--url", park.url])

    out = tmp_path / "points.xlsx"
    done = await asyncio.to_thread(run, points, "export", "--out", str(out), "--json")
    assert done.exit_code == 0, done.output
    book = openpyxl.load_workbook(out)
    heads = {cell.value: cell.column for cell in book.active[1]}
    row = next(row for row in book.active.iter_rows(min_row=2) if row[0].value == "gw/meter/power")
    book.active.cell(row[0].row, heads["high"]).value = 77
    book.save(out)
    dry = await asyncio.to_thread(run, points, "import", str(out), "--dry-run", "--json")
    document = json.loads(dry.stdout.splitlines()[-1])
    assert (document["state"], [one["path"] for one in document["diff"]]) == ("preview", ["/limits/gw/meter/power"])
    assert park.twin.directory.find("gw/meter/power").high == 100
    real = json.loads((await asyncio.to_thread(run, points, "import", str(out), "--json")).stdout.splitlines()[-1])
    assert real["state"] == "active"
    assert park.twin.directory.find("gw/meter/power").high == 77
    back = await asyncio.to_thread(run, points, "undo", str(real["id"]))
    assert (back.exit_code, park.twin.directory.find("gw/meter/power").high) == (0, 100)
    row[0].value = "gw/meter/powre"
    book.save(out)
    wrong = await asyncio.to_thread(run, points, "import", str(out))
    assert wrong.exit_code == 2
    assert "gw/meter/powre" in wrong.output
    pdf = tmp_path / "labels.pdf"
    printed = await asyncio.to_thread(run, labels, "--out", str(pdf))
    assert printed.exit_code == 0, printed.output
    assert pdf.read_bytes().startswith(b"%PDF")


async def test_fifty_thousand_rows_are_the_bound(park: Any) -> None:
    views = park.twin.directory.views
    many = write_list(views, park.twin.commissioning, "csv") + b"gw/x/y\r\n" * 50_000
    with pytest.raises(InputError, match="rows"):
        read_list(many)
