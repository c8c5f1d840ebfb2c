"""Drones: live telemetry, flight logs, photos, point clouds, registration, scan against plan."""
