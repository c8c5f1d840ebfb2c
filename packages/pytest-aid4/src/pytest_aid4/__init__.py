"""A simulated park, an agent or one device of AID4 for other people's tests; see README.md."""

from pytest_aid4.agent import Agent
from pytest_aid4.device import Device
from pytest_aid4.park import Park
from pytest_aid4.running import Aid4Error

__all__ = ["Agent", "Aid4Error", "Device", "Park"]
