"""Drones of the park: airframe, autopilot and mission protocol, spoken over MAVLink by `servers/mavlink.py`.

Everything here is pure and steps with the park's clock: one seed and one wind give one flight.
"""
