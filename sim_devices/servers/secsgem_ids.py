"""Ids of simulated fab equipment: of its variables, constants, events and alarms, each plus the metric's place."""

from typing import Final

__all__ = ["ALARM", "COMMANDS", "CONSTANT", "EVENT", "VARIABLE"]

VARIABLE: Final = 10_001
CONSTANT: Final = 20_001
EVENT: Final = 30_001
ALARM: Final = 40_001
COMMANDS: Final = ("START", "STOP")
