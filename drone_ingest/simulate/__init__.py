"""Scans of buildings that nobody flew: ground truth for tests, and a way in for people without a drone.

    scan = simulate_scan(meshes, standing, stations, Sensor(points=200_000), FIELD, seed=7)
    write_scan(scan, Path("scan.laz"), Path("scan.stations.csv"))

Rays are really cast: what stands in front hides what is behind. One seed gives one file, byte for byte. Whatever is
derived from such a scan is called simulated.
"""

from drone_ingest.simulate.cameras import write_cameras
from drone_ingest.simulate.scan import SimulatedScan, simulate_scan
from drone_ingest.simulate.sensor import FIELD, Disturbance, Sensor
from drone_ingest.simulate.stations import orbit_stations, read_stations
from drone_ingest.simulate.write import write_scan

__all__ = [
    "FIELD",
    "Disturbance",
    "Sensor",
    "SimulatedScan",
    "orbit_stations",
    "read_stations",
    "simulate_scan",
    "write_cameras",
    "write_scan",
]
