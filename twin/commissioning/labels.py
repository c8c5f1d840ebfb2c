"""Labels for devices: a QR code that opens the device's page on a phone, as SVG, and a sheet of them as PDF.

The code holds the address of the page: `<where the twin answers>/commissioning/<node>/<device>`. Error correction is
level M, which stands dirt on 15 % of a label; at 20 mm a module of it is half a millimetre, enough for any phone.
"""

import io
import urllib.parse
from typing import Any, Final

from twin.reports.pdf import typeset
from wire.errors import InputError

__all__ = ["LABELS_MAX", "device_url", "qr_svg", "sheet"]

LABELS_MAX: Final = 2_000  # of one sheet: a hundred pages
_URL_CHARS_MAX: Final = 500  # what a code of that level and size can hold and a phone still read


def device_url(base: str, device: str) -> str:
    """The address of a device's page; `base` is where people reach the twin. InputError when it is none."""
    parts = urllib.parse.urlsplit(base)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise InputError(f"{base[:80]!r} is no address", field="base", fix="write https://twin.example")
    url = f"{base.rstrip('/')}/commissioning/{urllib.parse.quote(device)}"
    if len(url) > _URL_CHARS_MAX:
        raise InputError("the address is too long for a label", field="base", fix="use a shorter name for the twin")
    return url


def qr_svg(url: str) -> bytes:
    """The code as an SVG of one path, with the quiet zone of four modules that the standard asks for."""
    import segno  # only who prints labels needs it

    out = io.BytesIO()
    segno.make(url, error="m", micro=False).save(out, kind="svg", border=4, xmldecl=False, svgns=True, omitsize=True)
    return out.getvalue()


async def sheet(site: str, labels: list[dict[str, str]], language: str) -> bytes:
    """A PDF of A4 pages with three times seven labels; each has `url`, `title`, `name`, `place`.

    UserError when a font is missing, PdfError when the child fails.
    """
    if len(labels) > LABELS_MAX:
        raise InputError(f"{len(labels)} labels are too many", field="q", fix=f"choose at most {LABELS_MAX} devices")
    rows: list[dict[str, Any]] = [{**one, "svg": qr_svg(one["url"]).decode()} for one in labels]
    return await typeset("twin.commissioning", "labels.typ", {"site": site, "labels": rows}, language)
