"""The served twin of tests/twin_api."""

import importlib.util
from pathlib import Path

_SPEC = importlib.util.spec_from_file_location(
    "served_twin", Path(__file__).resolve().parents[1] / "twin_api" / "conftest.py"
)
assert _SPEC is not None
assert _SPEC.loader is not None
_served = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_served)
site, start, empty, park = _served.site, _served.start, _served.empty, _served.park
