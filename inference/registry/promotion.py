"""Shadow → canary → live, and when to go back. Pure: figures in, a verdict out.

| stage | nodes | scores | rings alarms | goes on when |
|---|---|---|---|---|
| shadow | all of the roll-out | yes | no | every node has scored so long and so many rows, within the bounds |
| canary | a few ring, the others stay in shadow | yes | on the canaries | the same, counted anew |
| live | all | yes | yes | – |

Back it goes, at any stage: a node crashes with it, takes too long a tick, its scores have drifted from what training
saw on normal rows kept out, or it rings far beyond the budget.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

__all__ = ["Figures", "Rule", "Stage", "Verdict", "judge", "modes"]

Stage = Literal["shadow", "canary", "live"]
_NEXT: dict[Stage, Stage] = {"shadow": "canary", "canary": "live", "live": "live"}


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a model goes on and when it goes back; every number is the operator's to set."""

    shadow_s: Annotated[float, Meta(ge=0, le=31_536_000)] = 86_400.0
    canary_s: Annotated[float, Meta(ge=0, le=31_536_000)] = 86_400.0
    rows_min: Annotated[int, Meta(ge=0, le=2**53)] = 1_000  # scored by every node in this stage
    canaries: Annotated[int, Meta(ge=1, le=10_000)] = 1
    tick_ms_max: Annotated[float, Meta(gt=0, le=1e6)] = 250.0
    crashes_max: Annotated[int, Meta(ge=0, le=1_000)] = 0
    budget_per_day: Annotated[float, Meta(ge=1e-4, le=1e3)] = 0.02  # of a stream
    false_ratio_max: Annotated[float, Meta(gt=0, le=1e6)] = 4.0  # episodes over the budget of that time
    episodes_min: Annotated[int, Meta(ge=1, le=10_000)] = 3  # fewer say nothing about a rate
    drift_max: Annotated[float, Meta(gt=0, le=1e6)] = 1.0  # decades between the median score and that of training
    by_hand: bool = False  # it waits for a person to say so; back it still goes by itself


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What a node tells of one model since this stage began there; unknown is 0 or None."""

    state: Literal["waiting", "idle", "loading", "running", "refused", "failed"] = "waiting"
    problem: str = ""
    rows: int = 0
    tick_ms_p99: float | None = None
    crashes: int = 0
    episodes: int = 0
    stream_days: float = 0.0
    score_median: float | None = None


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What to do, and why in one sentence."""

    do: Literal["wait", "promote", "rollback"]
    stage: Stage
    why: str


def judge(
    stage: Stage,
    in_stage_s: float,
    figures: Mapping[str, Figures],
    rule: Rule,
    *,
    trained_median: float | None,
) -> Verdict:
    """`figures` by node, of those that should run it; where nothing scores (`idle`) nobody is waited for."""
    figures = {node: one for node, one in figures.items() if one.state != "idle"}
    for node, one in sorted(figures.items()):
        if why := _bad(one, rule, trained_median):
            return Verdict(do="rollback", stage=stage, why=f"{node}: {why}")
    if stage == "live":
        return Verdict(do="wait", stage=stage, why="it is live")
    due_s = rule.shadow_s if stage == "shadow" else rule.canary_s
    behind = sorted(node for node, one in figures.items() if one.state != "running" or one.rows < rule.rows_min)
    if not figures:
        return Verdict(do="wait", stage=stage, why="no node is there")
    if behind:
        one = figures[behind[0]]
        told = one.problem or f"{one.state}, {one.rows} of {rule.rows_min} rows"
        return Verdict(do="wait", stage=stage, why=f"{behind[0]}: {told}")
    if in_stage_s < due_s:
        return Verdict(do="wait", stage=stage, why=f"{due_s - in_stage_s:.0f} s of {stage} are left")
    if rule.by_hand:
        return Verdict(do="wait", stage=stage, why=f"ready for {_NEXT[stage]}; it waits for a person")
    return Verdict(do="promote", stage=_NEXT[stage], why=f"{stage} held on {len(figures)} nodes")


def modes(stage: Stage, nodes: Sequence[str], rule: Rule) -> dict[str, Stage]:
    """How each node runs it in a stage; the canaries are the first by name, so they stay the same."""
    ordered = sorted(nodes)
    if stage != "canary":
        return dict.fromkeys(ordered, stage)
    return {node: "canary" if at < rule.canaries else "shadow" for at, node in enumerate(ordered)}


def _bad(one: Figures, rule: Rule, trained_median: float | None) -> str:
    if one.crashes > rule.crashes_max:
        return f"it crashed {one.crashes} times"
    if one.state == "failed":
        return one.problem or "it failed"
    if one.tick_ms_p99 is not None and one.tick_ms_p99 > rule.tick_ms_max:
        return f"a tick takes {one.tick_ms_p99:.0f} ms, at most {rule.tick_ms_max:.0f}"
    allowed = rule.budget_per_day * one.stream_days
    if one.episodes >= rule.episodes_min and one.episodes > rule.false_ratio_max * allowed:
        return f"it rang {one.episodes} times where the budget allows {allowed:.2g}"
    if trained_median is not None and one.score_median is not None and one.rows >= rule.rows_min:
        drift = abs(one.score_median - trained_median)
        if drift > rule.drift_max:
            return f"its median score is {one.score_median:.2f}, {trained_median:.2f} in training"
    return ""
