"""Delivery under every fault at once, in virtual time, against the product's own protocol cores."""

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest
from delivery_world import World

SEEDS = 20_000
CHUNK = 250
SEEDS_TO_CATCH_A_BUG = 3_000
BUGS = (
    "delete on PUBACK",
    "delete on a partial range",
    "no dedup",
    "ack before commit",
    "no resend",
    "epoch reused after disk loss",
    "ranges outside the transaction",
    "accept before fsync",
    "catalogue of the wrong generation",
    "floor ignored",
)


def _violations(first: int) -> tuple[int, list[tuple[int, list[str]]]]:
    """Readings accepted, and what went wrong, over one chunk of seeds."""
    accepted, found = 0, []
    for seed in range(first, first + CHUNK):
        world = World(seed).run()
        accepted += len(world.accepted)
        if wrong := world.violations():
            found.append((seed, wrong))
    return accepted, found


def test_20_000_parks_lose_double_and_alter_nothing() -> None:
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        results = list(pool.map(_violations, range(0, SEEDS, CHUNK)))
    assert [wrong for _, found in results for wrong in found] == []
    assert sum(accepted for accepted, _ in results) > 100 * SEEDS


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_caught(bug: str) -> None:
    caught = (World(seed, frozenset([bug])).run().violations() for seed in range(SEEDS_TO_CATCH_A_BUG))
    assert any(caught), f"{SEEDS_TO_CATCH_A_BUG} seeds did not see it"


def test_one_seed_is_one_history() -> None:
    first, second = World(11).run(), World(11).run()
    assert first.twin.base.rows == second.twin.base.rows
    assert first.now == second.now
