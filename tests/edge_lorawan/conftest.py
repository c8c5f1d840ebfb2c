"""The tools of the sources' tests, with events kept apart from rows."""

from borrowed_fixtures import conftest_of

_tools = conftest_of("edge_sparkplug")
broker, tools = _tools.broker, _tools.tools
