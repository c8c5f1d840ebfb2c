"""`python -m twin.reports.pdf_child PACKAGE TEMPLATE`: a document's JSON on standard input, its PDF on standard output.

Exit status 3: no installed font has the letters of the report's language.
"""

import json
import resource
import sys
from importlib import resources
from typing import Final

MEMORY_BYTES_MAX: Final = 2 << 30
NO_FONT: Final = 3
_LATIN: Final = ("Noto Sans", "Liberation Sans", "DejaVu Sans", "Libertinus Serif")
_CHINESE: Final = (
    "Noto Sans CJK TC", "Noto Sans TC", "Source Han Sans TC", "PingFang TC", "Microsoft JhengHei", "Noto Serif CJK TC",
    "Noto Sans CJK SC", "Noto Sans CJK JP", "WenQuanYi Zen Hei", "AR PL UMing TW",
)  # fmt: skip


def main() -> int:
    """Draw it."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    import typst

    report = json.load(sys.stdin.buffer)
    known = set(typst.Fonts(include_system_fonts=True).families())
    chinese = [name for name in _CHINESE if name in known]
    if report["lang"] == "zh" and not chinese:
        return NO_FONT
    latin = [name for name in _LATIN if name in known]
    report["fonts"] = [*latin, *chinese]
    package, name = sys.argv[1:3]
    template = resources.files(package).joinpath(name).read_bytes()
    body = typst.compile(template, format="pdf", sys_inputs={"report": json.dumps(report)})
    sys.stdout.buffer.write(body)
    return 0


if __name__ == "__main__":
    sys.exit(main())
