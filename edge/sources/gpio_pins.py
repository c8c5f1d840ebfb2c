"""Pins of one GPIO chip, requested from the kernel as a whole: their changes with the kernel's times, their levels.

The kernel counts the changes of each line; a number that is left out is a change that its buffer had no room for.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any, Final, Literal, NamedTuple

import msgspec

from edge.sources.columns import PointSpec
from wire.errors import ConfigError

__all__ = ["Change", "PinSpec", "Pins"]

EVENTS_MAX: Final = 1_024  # that the kernel keeps until they are read
CONSUMER: Final = "aid4"


class PinSpec(PointSpec, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """One line by its offset or its name. `per_unit` and `start` are of pulses, `safe` and what follows of outputs."""

    line: int | str
    mode: Literal["input", "pulses", "output"] = "input"
    active_low: bool = False
    bias: Literal["", "pull_up", "pull_down", "disabled"] = ""
    debounce_ms: Annotated[float, msgspec.Meta(ge=0, le=60_000)] = 0.0
    per_unit: Annotated[float, msgspec.Meta(gt=0, le=1e9)] = 1.0
    start: float = 0.0
    safe: bool = False
    only_while: str = ""
    hold_s: Annotated[float, msgspec.Meta(ge=0, le=86_400)] = 0.0


class Change(NamedTuple):
    """A line went to `level` at `at_us` of the monotonic clock; `number` counts the changes of this line."""

    line: int
    level: bool
    at_us: int
    number: int


class Pins:
    """An open request; `lines` are the offsets in the order of the specs. Everything raises OSError once it is lost."""

    def __init__(self, chip: str, specs: Sequence[PinSpec]) -> None:
        gpiod = library()
        config = {spec.line: _settings(gpiod, spec) for spec in specs}
        try:
            self._request: Any = gpiod.request_lines(
                chip, config=config, consumer=CONSUMER, event_buffer_size=EVENTS_MAX
            )
        except ValueError as error:  # a name that the chip does not have, or an offset beyond its last
            raise OSError(f"{chip}: {error}") from error
        self._on, self._off = gpiod.line.Value.ACTIVE, gpiod.line.Value.INACTIVE
        self._rising = gpiod.EdgeEvent.Type.RISING_EDGE
        at = dict(zip(self._request.lines, self._request.offsets, strict=True))
        self.lines: list[int] = [at[spec.line] for spec in specs]

    @property
    def fd(self) -> int:
        """Readable when there are changes, or when the chip is gone."""
        return int(self._request.fd)

    def changes(self) -> list[Change]:
        """Those that wait, at most as many as the kernel keeps."""
        if not self._request.wait_edge_events(timedelta(0)):
            return []
        return [
            Change(one.line_offset, one.event_type is self._rising, one.timestamp_ns // 1_000, one.line_seqno)
            for one in self._request.read_edge_events(EVENTS_MAX)
        ]

    def levels(self) -> list[bool]:
        """How all lines stand, in the order of `lines`."""
        return [value is self._on for value in self._request.get_values(self.lines)]

    def set(self, line: int, level: bool) -> None:
        """Drive an output."""
        self._request.set_value(line, self._on if level else self._off)

    def close(self) -> None:
        """Give the lines back."""
        self._request.release()


def library() -> Any:
    """gpiod, which is loaded when a config names a chip. Raises ConfigError without it."""
    try:
        return importlib.import_module("gpiod")
    except ImportError as error:
        raise ConfigError("gpiod is not installed", field="kind", fix="pip install 'aid4[pins]'") from error


def _settings(gpiod: Any, spec: PinSpec) -> Any:
    line = gpiod.line
    bias = getattr(line.Bias, spec.bias.upper()) if spec.bias else line.Bias.AS_IS
    if spec.mode == "output":
        value = line.Value.ACTIVE if spec.safe else line.Value.INACTIVE
        return gpiod.LineSettings(
            direction=line.Direction.OUTPUT, active_low=spec.active_low, bias=bias, output_value=value
        )
    return gpiod.LineSettings(
        direction=line.Direction.INPUT,
        edge_detection=line.Edge.RISING if spec.mode == "pulses" else line.Edge.BOTH,
        active_low=spec.active_low,
        bias=bias,
        debounce_period=timedelta(milliseconds=spec.debounce_ms),
        event_clock=line.Clock.MONOTONIC,
    )
