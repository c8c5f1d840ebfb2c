"""The tools of the sources' tests, with events kept apart from rows."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

_spec = spec_from_file_location("sparkplug_tools", Path(__file__).parents[1] / "edge_sparkplug" / "conftest.py")
assert _spec is not None
assert _spec.loader is not None
_tools = module_from_spec(_spec)
_spec.loader.exec_module(_tools)
broker, tools = _tools.broker, _tools.tools
