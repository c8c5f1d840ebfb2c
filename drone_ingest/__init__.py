"""Drones: live telemetry, flight logs, photos, point clouds, registration, scan against plan.

The door is `drone_ingest.read(path)`: any file a drone or a scanner leaves behind becomes a `Flight`, `Photo`,
`Cloud` or `RemoteIds` (see `drone_ingest.found`) of Arrow tables, with what was damaged or doubtful beside it.
Nothing is loaded before it is asked for: an agent that only decodes MAVLink, or a child process, stays small.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from drone_ingest.door import read
    from drone_ingest.found import Cloud, Flight, Found, Photo, RemoteIds

__all__ = ["Cloud", "Flight", "Found", "Photo", "RemoteIds", "read"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(importlib.import_module("drone_ingest.door" if name == "read" else "drone_ingest.found"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
