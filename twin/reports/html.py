"""A report as one HTML file: no script, no request, styles inside, made to be read and to be printed."""

from html import escape
from typing import Final

from twin.reports.document import Figure, Report, Section, Table
from twin.reports.svg import draw

__all__ = ["CONTENT_POLICY", "to_html"]

CONTENT_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
_STYLE: Final = """
:root{color-scheme:light}
*{box-sizing:border-box}
body{margin:0 auto;max-width:860px;padding:32px 24px;background:#fff;color:#1b2026;
font:14px/1.5 "Noto Sans","Segoe UI",Roboto,"Helvetica Neue","Noto Sans CJK TC","PingFang TC",
"Microsoft JhengHei",sans-serif}
header{border-bottom:2px solid #1b2026;margin-bottom:20px;padding-bottom:12px}
h1{font-size:24px;margin:0}h2{font-size:17px;margin:28px 0 8px}
header p,footer,.note{color:#56606a;margin:0}
dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(180px,1fr));gap:10px;margin:0}
dl div{border:1px solid #dde1e5;border-radius:6px;padding:8px 12px}
dt{color:#56606a}dd{margin:0;font-size:20px;font-variant-numeric:tabular-nums}
dd small{font-size:12px;color:#56606a}.mark dd::before{content:"▲ ";color:#8f5400}
figure{margin:14px 0;break-inside:avoid}figcaption{font-weight:600}svg{width:100%;height:auto}
.frame{overflow-x:auto}table{border-collapse:collapse;width:100%;margin:8px 0}
th,td{text-align:start;padding:5px 10px;border-bottom:1px solid #dde1e5;vertical-align:top}
th{color:#56606a;font-weight:500}.n{text-align:end;font-variant-numeric:tabular-nums;white-space:nowrap}
tr{break-inside:avoid}footer{margin-top:32px;border-top:1px solid #dde1e5;padding-top:8px;font-size:12px}
@page{size:A4;margin:16mm}@media print{body{max-width:none;padding:0}h2{break-after:avoid}}
"""


def to_html(report: Report) -> str:
    """The whole document; every text of the park is escaped."""
    notes = "".join(f"<p>{escape(note)}</p>" for note in report.notes)
    return (
        f'<!doctype html><html lang="{report.language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(report.title)} · {escape(report.site)} · {escape(report.day)}</title>"
        f"<style>{_STYLE}</style></head><body><header><h1>{escape(report.title)}</h1>"
        f"<p>{escape(report.site)} · {escape(report.period)}</p></header><main>"
        f"{''.join(_section(one) for one in report.sections)}</main>"
        f"<footer>{notes}<p>{escape(report.made)}</p></footer></body></html>"
    )


def _section(section: Section) -> str:
    text = f"<p>{escape(section.text)}</p>" if section.text else ""
    figures = f"<dl>{''.join(map(_figure, section.figures))}</dl>" if section.figures else ""
    charts = "".join(
        f"<figure><figcaption>{escape(chart.title)}</figcaption>{draw(chart)}</figure>" for chart in section.charts
    )
    tables = "".join(map(_table, section.tables))
    return f"<section><h2>{escape(section.title)}</h2>{text}{figures}{charts}{tables}</section>"


def _figure(figure: Figure) -> str:
    note = f" <small>{escape(figure.note)}</small>" if figure.note else ""
    mark = ' class="mark"' if figure.mark else ""
    return f"<div{mark}><dt>{escape(figure.name)}</dt><dd>{escape(figure.value)}{note}</dd></div>"


def _table(table: Table) -> str:
    def cells(row: list[str], tag: str) -> str:
        return "".join(
            f"<{tag}{' class=n' if at in table.numeric else ''}>{escape(cell)}</{tag}>" for at, cell in enumerate(row)
        )

    rows = "".join(f"<tr>{cells(row, 'td')}</tr>" for row in table.rows)
    more = f'<p class="note">{escape(table.more)}</p>' if table.more else ""
    head = f"<thead><tr>{cells(table.columns, 'th')}</tr></thead>"
    return f'<div class="frame"><table>{head}<tbody>{rows}</tbody></table></div>{more}'
