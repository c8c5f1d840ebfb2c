"""A report as Markdown tables: what the command prints and `docs/inference.md` holds."""

from collections.abc import Iterator

from inference.evaluate.report import Report

__all__ = ["lines_of"]


def lines_of(report: Report) -> Iterator[str]:
    """Lines of Markdown."""
    if report.nab is not None:
        nab = report.nab
        yield f"NAB, {nab.files} files, untrained, one threshold ({report.nab_threshold} of the score)"
        yield ""
        yield "| profile | fixed threshold | found | false rows | best in hindsight |"
        yield "|---|---|---|---|---|"
        for name, fixed in nab.fixed.items():
            best = nab.best[name]
            found = f"{fixed.found}/{fixed.windows}"
            yield f"| {name} | {fixed.score:.1f} | {found} | {fixed.false_rows} | {best.score:.1f} |"
        yield ""
        yield f"{nab.false_episodes} false episodes in {nab.normal_days:.0f} stream-days; data sha256 {nab.sha256[:16]}"
        yield ""
    if not report.sets:
        return
    yield f"Trained on normal rows, budget {report.budget_per_day:g} false-alarm episodes per stream-day"
    yield ""
    yield "| set | series | VUS-PR | AUC-PR | F1 | FAR % | MAR % | events | event F1 | median delay s |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for name, one in report.sets.items():
        points, events = one.points, one.events
        ranks = " | ".join("–" if value is None else f"{value:.3f}" for value in (one.vus_pr, one.auc_pr))
        yield (
            f"| {name} | {one.series} | {ranks} | {points.f1:.3f} | {points.far_percent:.1f} | {points.mar_percent:.1f}"
            f" | {events.found}/{events.events} | {events.f1:.2f} | {events.delay_s_median:g} |"
        )
    yield ""
    yield "| set | normal stream-days | false episodes | allowed | ratio | regime changes | data sha256 |"
    yield "|---|---|---|---|---|---|---|"
    for name, one in report.sets.items():
        held = one.false_alarms
        yield (
            f"| {name} | {held.normal_days:.3f} | {held.false_episodes} | {held.allowed:.2f}"
            f" | {'–' if held.ratio is None else f'{held.ratio:.2f}'}"
            f" | {held.regime_changes} | {one.sha256[:16]} |"
        )
