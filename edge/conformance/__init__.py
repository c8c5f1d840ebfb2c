"""What every source promises, tried against a real peer: for the author of a source, here and elsewhere.

Write a `Bench` (how a peer of your protocol is started, changed, cut off), then `aid4 edge conformance module:Bench`,
or hand `CHECKS` to your own test runner.
"""

from edge.conformance.bench import ABILITIES, Ability, Bench
from edge.conformance.checks import CHECKS, Check, applicable
from edge.conformance.proxy import Proxy, free_port
from edge.conformance.run import Outcome, load_bench, run_checks, run_one
from edge.conformance.taken import NotKeptError

__all__ = [
    "ABILITIES",
    "CHECKS",
    "Ability",
    "Bench",
    "Check",
    "NotKeptError",
    "Outcome",
    "Proxy",
    "applicable",
    "free_port",
    "load_bench",
    "run_checks",
    "run_one",
]
