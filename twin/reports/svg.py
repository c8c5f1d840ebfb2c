"""Charts as SVG: text in attributes only, so that no page policy forbids them and any viewer draws them."""

import html
import math
from collections.abc import Sequence
from typing import Final

from twin.reports.document import Bars, Chart, Lines

__all__ = ["SERIES", "draw"]

SERIES: Final = ("#2b66ad", "#b2560d", "#0d7a62", "#8548b0", "#736300", "#a63a5c")
_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 720, 240, 56, 30, 24
_INNER: Final = (_LEFT, _TOP, _WIDTH - 8, _HEIGHT - _BOTTOM)
_MARKS = 4
_LABELS_MAX = 8
_FONT: Final = "font-family=\"Noto Sans, DejaVu Sans, 'Noto Sans CJK TC', sans-serif\""


def draw(chart: Chart) -> str:
    """The chart with axis marks in round numbers and a legend; no value is hidden below the axis."""
    values = [value for line in chart.series.values() for value in line if value is not None]
    low, high, step = _scale(min([0.0, *values]), max([0.0, *values]))
    size = f'viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}"'
    name = f'role="img" aria-label="{html.escape(chart.title)}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {name} {_FONT} font-size="11" fill="#56606a">',
        *_axis(low, high, step, chart.unit),
        *_names(chart.labels, bars=isinstance(chart, Bars)),
        *(_bars(chart, low, high) if isinstance(chart, Bars) else _lines(chart, low, high)),
        *_legend(list(chart.series)),
        "</svg>",
    ]
    return "".join(parts)


def _scale(low: float, high: float) -> tuple[float, float, float]:
    """Bounds and a step of 1, 2 or 5 times a power of ten."""
    rough = max(high - low, 1e-9) / _MARKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    return math.floor(low / step) * step, max(math.ceil(high / step), math.floor(low / step) + 1) * step, step


def _y(value: float, low: float, high: float) -> float:
    _, top, _, bottom = _INNER
    return bottom - (value - low) / (high - low) * (bottom - top)


def _axis(low: float, high: float, step: float, unit: str) -> list[str]:
    left, _, right, _ = _INNER
    digits = max(0, -math.floor(math.log10(step))) if step < 1 else 0
    parts = [f'<text x="{left - 6}" y="{_TOP - 14}" text-anchor="end">{html.escape(unit)}</text>']
    for at in range(round((high - low) / step) + 1):
        value = low + at * step
        y = _y(value, low, high)
        parts.append(f'<line x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" stroke="#dde1e5"/>')
        parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{value:.{digits}f}</text>')
    return parts


def _names(labels: Sequence[str], *, bars: bool) -> list[str]:
    left, _, right, bottom = _INNER
    every = max(1, -(-len(labels) // _LABELS_MAX))
    slot = (right - left) / max(1, len(labels) if bars else len(labels) - 1)
    parts = []
    for at in range(0, len(labels), every):
        x = left + (at + (0.5 if bars else 0)) * slot
        anchor = "middle" if bars or 0 < at < len(labels) - 1 else "start" if at == 0 else "end"
        parts.append(f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="{anchor}">{html.escape(labels[at])}</text>')
    return parts


def _bars(chart: Bars, low: float, high: float) -> list[str]:
    left, _, right, _ = _INNER
    slot = (right - left) / max(1, len(chart.labels))
    width = slot / (len(chart.series) + 0.5)
    zero, parts = _y(0.0, low, high), []
    for line, values in enumerate(chart.series.values()):
        for at, value in enumerate(values):
            x, y = left + at * slot + width * (line + 0.25), _y(value, low, high)
            parts.append(
                f'<rect x="{x:.1f}" y="{min(y, zero):.1f}" width="{width * 0.92:.1f}" height="{abs(y - zero):.1f}" '
                f'fill="{SERIES[line % len(SERIES)]}"/>'
            )
    return parts


def _lines(chart: Lines, low: float, high: float) -> list[str]:
    left, _, right, _ = _INNER
    slot = (right - left) / max(1, len(chart.labels) - 1)
    parts = []
    for line, values in enumerate(chart.series.values()):
        path, pen = [], "M"
        for at, value in enumerate(values):
            if value is None:
                pen = "M"
                continue
            path.append(f"{pen}{left + at * slot:.1f} {_y(value, low, high):.1f}")
            pen = "L"
        parts.append(
            f'<path d="{"".join(path)}" fill="none" stroke-width="1.6" stroke="{SERIES[line % len(SERIES)]}"/>'
        )
    return parts


def _legend(names: Sequence[str]) -> list[str]:
    parts, x = [], float(_LEFT + 8)
    for line, name in enumerate(names):
        parts.append(f'<rect x="{x}" y="6" width="10" height="10" fill="{SERIES[line % len(SERIES)]}"/>')
        parts.append(f'<text x="{x + 14}" y="15">{html.escape(name)}</text>')
        x += 26 + sum(11 if ord(letter) > 0x2E80 else 6.5 for letter in name)
    return parts
