"""Drones: live telemetry, flight logs, photos, point clouds, registration, scan against plan.

The door is `drone_ingest.door.read(path)`: any file a drone or a scanner leaves behind becomes a `Flight`, `Photo`,
`Cloud` or `RemoteIds` (see `drone_ingest.found`) of Arrow tables, with what was damaged or doubtful beside it.
"""

from drone_ingest.door import read
from drone_ingest.found import Cloud, Flight, Found, Photo, RemoteIds

__all__ = ["Cloud", "Flight", "Found", "Photo", "RemoteIds", "read"]
