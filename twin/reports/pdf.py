"""A report as a PDF (typst, in a child process with bounds): fonts are embedded, texts can be searched and copied."""

import asyncio
import contextlib
import sys
from pathlib import Path
from typing import Any, Final

import msgspec

from twin.reports.document import Report
from twin.reports.svg import draw
from wire.errors import Aid4Error, UserError

__all__ = ["PdfError", "to_pdf", "typeset"]

TIME_S_MAX: Final = 60.0
_PACKAGE: Final = str(Path(__file__).resolve().parents[2])
_FONT_FIX: Final = (
    "install one: apt-get install fonts-noto-cjk (Debian, Ubuntu), dnf install google-noto-sans-cjk-fonts"
)


class PdfError(Aid4Error):
    """The child could not draw it."""


async def to_pdf(report: Report) -> bytes:
    """The PDF; UserError when a font is missing and says which package brings it, PdfError when the child fails."""
    plain: dict[str, Any] = msgspec.to_builtins(report)
    for section, own in zip(plain["sections"], report.sections, strict=True):
        section["charts"] = [{"title": chart.title, "svg": draw(chart)} for chart in own.charts]
    return await typeset("twin.reports", "report.typ", plain, report.language)


async def typeset(package: str, template: str, plain: dict[str, Any], language: str) -> bytes:
    """The PDF that a template of `package` makes of a document; its input `report` is the document as JSON.

    UserError when a font is missing and says which package brings it, PdfError when the child fails.
    """
    tongue, _, region = language.partition("-")
    document = plain | {"lang": tongue, "region": region or None}
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "twin.reports.pdf_child", package, template,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={"PYTHONPATH": _PACKAGE, "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    try:
        async with asyncio.timeout(TIME_S_MAX):
            body, problem = await child.communicate(msgspec.json.encode(document))
    except TimeoutError as error:
        raise PdfError(f"drawing took longer than {TIME_S_MAX:g} s") from error
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()
    if child.returncode == 3:
        raise UserError(f"no font for {language} is installed", field="language", fix=_FONT_FIX)
    if child.returncode:
        raise PdfError(problem.decode("utf-8", "replace").strip()[-300:] or "the child died")
    return body
