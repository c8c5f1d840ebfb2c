"""A roll-out in stages over nodes, the same for every section of the desired state. Pure: nodes tell, a step follows.

A stage is a number of nodes or a share: `1,50%,100%` tells one node, then half of them, then all. The next stage begins
when every node that was told runs it and stays well for the hold; at the first that refuses it or goes back by itself
the roll-out stops, and those that took it are taken back.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from wire.errors import InputError
from wire.messages import SectionFigures

__all__ = ["NODES_MAX", "NodeStand", "Step", "Told", "judge", "read_stages", "stand_of"]

NODES_MAX = 10_000
_STAGES_MAX = 20
Stages = Annotated[list[int], Meta(min_length=1, max_length=_STAGES_MAX)]


class Told(msgspec.Struct, frozen=True):
    """What a node tells: there or not, how each section stands, and which sources are in trouble."""

    online: bool = False
    desired: int = 0
    sections: dict[str, SectionFigures | None] = {}
    failing: frozenset[str] = frozenset()


class NodeStand(msgspec.Struct, frozen=True):
    """How one node of a roll-out stands, and why."""

    state: Literal["waiting", "told", "trying", "running", "failed"]
    why: str = ""


class Step(msgspec.Struct, frozen=True):
    """What to do with a roll-out, and why in one sentence."""

    do: Literal["wait", "hold", "next", "done", "stop"]
    why: str


def read_stages(text: str, nodes: int) -> list[int]:
    """How many nodes have it after each stage, the last one all; InputError."""
    found: list[int] = []
    for part in [one.strip() for one in text.split(",") if one.strip()][:_STAGES_MAX]:
        number, share = part.removesuffix("%"), part.endswith("%")
        if not (number.isascii() and number.isdigit()) or not 0 < int(number) <= (100 if share else NODES_MAX):
            raise InputError(f"{part[:20]!r} is no stage", field="stages", fix="write 1,50%,100%")
        count = -(-nodes * int(number) // 100) if share else int(number)
        found.append(min(nodes, max(1, count)))
    if found != sorted(found):
        raise InputError("a stage has fewer nodes than the one before", field="stages", fix="write 1,50%,100%")
    return list(dict.fromkeys([*found, nodes]))


def stand_of(section: str, revision: int, told: Told, failing_before: Sequence[str]) -> NodeStand:
    """How a node stands that shall run this revision."""
    figures = told.sections.get(section)
    if figures is not None and figures.judged >= revision:
        if figures.judged > revision:
            return NodeStand("failed", f"it was told something else since (revision {figures.judged})")
        if figures.state in {"refused", "rolled_back"}:
            where = f"{figures.field}: " if figures.field else ""
            return NodeStand("failed", f"{figures.state.replace('_', ' ')}: {where}{figures.problem}")
    if not told.online:
        return NodeStand("told", "it is offline")
    if figures is None:
        return NodeStand("told", f"its agent does not tell of its {section}; it is older than this twin")
    if figures.revision != revision or figures.state not in {"running", "local"}:
        why = figures.problem or ("on trial" if figures.judged == revision else "it has not answered yet")
        return NodeStand("trying" if figures.judged == revision else "told", why)
    ill = sorted(told.failing - set(failing_before))
    return (
        NodeStand("trying", f"source {', '.join(ill[:5])} failed since")
        if ill
        else NodeStand("running", figures.problem)
    )


def judge(
    stages: Sequence[int], stage: int, stands: Mapping[str, NodeStand], well_s: float | None, hold_s: float
) -> Step:
    """`stands` of the nodes that were told, `well_s` how long all of them have been running, None while one is not."""
    failed = [f"{node}: {one.why}" for node, one in stands.items() if one.state == "failed"]
    if failed:
        return Step("stop", "; ".join(failed[:5]))
    if well_s is None:
        behind = [f"{node}: {one.why}" for node, one in stands.items() if one.state != "running"]
        return Step("wait", "; ".join(behind[:5]) or "nobody was told")
    if well_s < hold_s:
        return Step("hold", f"{hold_s - well_s:.0f} s of the hold are left")
    if stage + 1 < len(stages):
        return Step("next", f"{len(stands)} nodes run it and stayed well for {hold_s:.0f} s")
    findings = [f"{node}: {one.why}" for node, one in stands.items() if one.why]
    return Step("done", "; ".join([f"all {len(stands)} nodes run it", *findings[:5]]))
