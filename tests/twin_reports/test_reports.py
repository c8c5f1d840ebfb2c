"""Every kind in every language and form; hostile names stay texts; planned ones are made once, kept and mailed."""

import asyncio
import json
import re
import shutil
import socket
import subprocess
import sys
from datetime import UTC, date, datetime
from email import message_from_bytes
from email.policy import default as email_policy
from importlib import resources
from pathlib import Path
from typing import Any, get_args

import pytest
from aiosmtpd.controller import Controller
from click.testing import CliRunner

from twin.cli import twin
from twin.reports.desk import due_day
from twin.reports.document import Bars, Lines
from twin.reports.settings import Kind, Planned
from twin.reports.svg import draw
from twin.reports.words import LANGUAGES, Words
from twin.siteconfig import site_from_dict

KINDS = get_args(Kind)
TITLES = {
    "en": "Daily operations", "sk": "Denná prevádzka", "zh-TW": "每日營運報表",
}  # fmt: skip


def test_every_text_stands_in_three_languages_with_the_same_places() -> None:
    words = json.loads(resources.files("twin.reports").joinpath("words.json").read_text("utf-8"))
    for key, texts in words.items():
        assert len(texts) == len(LANGUAGES), key
        assert all(texts), key
        assert len({tuple(re.findall(r"\{\w+\}", text)) for text in texts}) == 1, key
    folder = Path(str(resources.files("twin.reports")))
    written = "\n".join(path.read_text("utf-8") for path in folder.rglob("*.py"))
    used = set(re.findall(r'"([a-z_0-9]+)"', written)) | {f"kind_{kind}" for kind in KINDS}
    used |= {"critical"}  # of PRIORITIES
    used |= {f"why_{why}" for why in ("late_start", "late_finish", "finished_late", "forecast_late")}
    assert set(words) <= used, f"nobody uses {set(words) - used}"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
async def test_each_report_is_a_page_and_a_pdf_in_each_language(park: Any, kind: str, language: str) -> None:
    today = park.twin.reports.here().isoformat()
    query = {"language": language, "day": today}
    page = await park.client.get(f"/api/v1/reports/{kind}", params=query)
    assert page.status_code == 200, page.text
    assert f'<html lang="{language}">' in page.text
    assert "<script" not in page.text
    assert not re.search(r'(?:src|href)="', page.text), "a report asks for nothing"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert page.headers["x-frame-options"] == "SAMEORIGIN"
    printed = await park.client.get(f"/api/v1/reports/{kind}", params=query | {"format": "pdf"})
    assert printed.status_code == 200, printed.text
    assert printed.content.startswith(b"%PDF-")
    assert f"lab-{kind}-{today}-{language}.pdf" in printed.headers["content-disposition"]


async def test_a_pdf_holds_the_letters_of_its_language_and_hostile_names_as_text(park: Any, tmp_path: Path) -> None:
    reader = shutil.which("pdftotext")
    for language, title in TITLES.items():
        query = {"language": language, "format": "pdf"}
        body = (await park.client.get("/api/v1/reports/operations", params=query)).content
        if reader:
            (tmp_path / "r.pdf").write_bytes(body)
            text = subprocess.run(
                [reader, str(tmp_path / "r.pdf"), "-"], capture_output=True, check=True
            ).stdout.decode()
            assert title in text
        assert b"/FontFile" in body, "fonts travel with the file"
    await park.post("/shift", {"text": park.hostile + " #let x = 1 [*b*]"})
    today = park.twin.reports.here().isoformat()
    page = (await park.client.get("/api/v1/reports/operations", params={"day": today})).text
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    printed = await park.client.get("/api/v1/reports/operations", params={"day": today, "format": "pdf"})
    assert printed.status_code == 200


def test_without_a_chinese_font_the_package_to_install_is_named(tmp_path: Path) -> None:
    program = "import twin.reports.pdf_child as c; c._CHINESE = (); raise SystemExit(c.main())"
    child = subprocess.run([sys.executable, "-c", program], input=b'{"lang": "zh"}', capture_output=True, check=False)
    assert child.returncode == 3, child.stderr
    assert child.stdout == b""


@pytest.mark.parametrize(
    ("path", "query", "field"),
    [
        ("/reports/weather", {}, "kind"),
        ("/reports/alarms", {"day": "2999-01-01"}, "day"),
        ("/reports/alarms", {"day": "yesterday"}, "day"),
        ("/reports/alarms", {"language": "de"}, "language"),
        ("/reports/kept/7", {}, "id"),
        ("/reports/kept/..%2Fx", {}, ""),
    ],
)
async def test_a_report_that_cannot_be_is_refused(empty: Any, path: str, query: Any, field: str) -> None:
    answer = await empty.client.get(f"/api/v1{path}", params=query)
    assert answer.status_code in (400, 404)
    assert (answer.json().get("field") or "") == field


def test_charts_show_every_value_inside_their_frame() -> None:
    bars = draw(Bars("b", "kWh", ["1", "2"], {"a": [5.0, -3.0]}))
    lines = draw(Lines("l<", "%", ["1", "2", "3"], {"a": [1.0, None, 3.0], "b": [0.0, 0.0, 0.0]}))
    ys = [float(y) for y in re.findall(r'<rect x="[\d.]+" y="([\d.]+)" width="[\d.]+" height="[\d.]+" fill', bars)]
    assert len(ys) >= 2
    assert all(0 <= y <= 240 for y in ys)
    assert lines.count("M") >= 3, "a gap begins a new line"
    assert "l&lt;" in lines
    assert draw(Bars("empty", "", [], {})).endswith("</svg>")


def test_numbers_and_days_are_written_as_people_there_write_them() -> None:
    day = date(2026, 3, 9)
    shown = [(Words(one, "UTC").number(12_345.6, 1), Words(one, "UTC").day(day)) for one in LANGUAGES]
    assert shown == [("12,345.6", "9 Mar 2026"), ("12\u202f345,6", "9. 3. 2026"), ("12,345.6", "2026年3月9日")]


@pytest.mark.parametrize(
    ("clock", "due"),
    [("2026-06-10T03:59", None), ("2026-06-10T04:00", date(2026, 6, 9)), ("2026-06-10T15:59", date(2026, 6, 9)),
     ("2026-06-10T16:01", None), ("2026-06-13T05:00", None)],
)  # fmt: skip
def test_a_planned_report_is_due_from_its_time_of_the_sites_clock_for_half_a_day(clock: str, due: date | None) -> None:
    planned = Planned("alarms", at="06:00", days="Mon-Fri")
    now_us = round(datetime.fromisoformat(clock).replace(tzinfo=UTC).timestamp() * 1e6)
    assert due_day(planned, now_us, "Europe/Bratislava") == due


class Box:
    """What an SMTP server took."""

    def __init__(self) -> None:
        self.mails: list[Any] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        self.mails.append(message_from_bytes(envelope.content, policy=email_policy))
        return "250 taken"


async def test_a_planned_report_is_made_once_kept_and_mailed(start: Any, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    box = Box()
    server = Controller(box, hostname="127.0.0.1", port=port)
    server.start()
    folder = tmp_path / "site"
    folder.mkdir()
    now = datetime.now(UTC)
    (folder / "reports.toml").write_text(
        f'[[report]]\nkind = "alarms"\nat = "{now:%H:%M}"\nlanguages = ["sk", "zh-TW"]\n'
        'formats = ["pdf", "html"]\nroute = "duty"\n'
    )
    (folder / "alarms.toml").write_text(
        f'[[route]]\nname = "duty"\nkind = "email"\nto = "duty@park.example"\nserver = "smtp://127.0.0.1:{port}"\n'
    )
    try:
        park = await start(site=site_from_dict({"name": "lab", "folder": str(folder)}, file="test"))
        async with asyncio.timeout(90):
            while not (seen := await park.get("/reports"))["kept"]:
                await asyncio.sleep(0.1)
    finally:
        server.stop()
    assert len(seen["kept"]) == 4
    assert {(one["language"], one["file"].rpartition(".")[2]) for one in seen["kept"]} == {
        (language, form) for language in ("sk", "zh-TW") for form in ("pdf", "html")
    }
    assert seen["kept"][0]["mailed"] == "duty@park.example"
    [mail] = box.mails
    assert "Správa o alarmoch" in mail["Subject"]
    names = {part.get_filename() for part in mail.iter_attachments()}
    assert names == {one["file"] for one in seen["kept"]}
    pdf = next(one for one in seen["kept"] if one["file"].endswith(".pdf"))
    assert (await park.client.get(f"/api/v1/reports/kept/{pdf['id']}")).content.startswith(b"%PDF-")
    [planned] = park.twin.reports.settings.report
    await park.twin.reports._deliver(planned, date.fromisoformat(pdf["day"]))
    assert len((await park.get("/reports"))["kept"]) == 4, "what is kept is not made again"


async def test_the_command_writes_the_report_of_a_running_twin(park: Any, tmp_path: Path) -> None:
    file = tmp_path / "a.pdf"
    arguments = ["report", "alarms", "--language", "sk", "--out", str(file), "--url", park.url]
    result = await asyncio.to_thread(CliRunner().invoke, twin, arguments)
    assert result.exit_code == 0, result.output
    assert file.read_bytes().startswith(b"%PDF-")
    arguments = ["report", "alarms", "--json", "--url", park.url]
    result = await asyncio.to_thread(CliRunner().invoke, twin, arguments)
    assert json.loads(result.stdout)["kind"] == "alarms"
