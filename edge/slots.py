"""A source of the configuration and what runs of it; its counters outlive the instance."""

import asyncio
from dataclasses import dataclass, field

from edge.sources import Source, SourceConfig, SourceHealth

__all__ = ["Slot", "carry_over", "kind_of"]


@dataclass(eq=False)
class Slot:
    """A source of the configuration, and its running instance while there is one."""

    config: SourceConfig
    kind: str
    source: Source | None = None
    health: SourceHealth = field(default_factory=SourceHealth)
    task: asyncio.Task[None] | None = None


def carry_over(before: SourceHealth, health: SourceHealth) -> None:
    """What the instance before counted."""
    if before is health:
        return
    health.received += before.received
    health.sent += before.sent
    health.discarded += before.discarded
    health.last_us = max(health.last_us, before.last_us)
    health.why = health.why or before.why
    for stage, count in before.errors.items():
        health.errors[stage] = health.errors.get(stage, 0) + count


def kind_of(config: SourceConfig) -> str:
    """As the configuration names it."""
    tag = config.__struct_config__.tag
    assert isinstance(tag, str)
    return tag
