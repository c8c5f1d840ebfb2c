"""`aid4 edge conformance`: try a source of your own against the promises that every source keeps."""

import json
import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import click

__all__ = ["conformance"]


@click.command()
@click.argument("target", metavar="MODULE:CLASS")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def conformance(target: str, as_json: bool) -> None:
    """Try the source whose bench is MODULE:CLASS (see docs/sources.md) against every promise of a source."""
    from edge.conformance.run import load_bench, run_checks

    bench, outcomes = load_bench(target), []
    with _quiet():
        for outcome in run_checks(bench):
            outcomes.append(outcome)
            if not as_json:
                click.echo(f"{outcome.result:10} {outcome.check:12} {outcome.says}")
                if outcome.why:
                    click.echo(f"{'':10} {'':12} {outcome.why}")
    results = Counter(outcome.result for outcome in outcomes)
    if as_json:
        click.echo(json.dumps({"target": target, "checks": [outcome._asdict() for outcome in outcomes], **results}))
    raise SystemExit(1 if results["broken"] else 0)


@contextmanager
def _quiet() -> Iterator[None]:
    """Peers that are cut off, and their libraries, say so at length."""
    before = logging.root.manager.disable
    logging.disable()
    try:
        yield
    finally:
        logging.disable(before)
