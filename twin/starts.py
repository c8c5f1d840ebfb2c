"""Starts of agents in the database, and the event of two that use one name."""

from collections.abc import Mapping

import duckdb
import pyarrow as pa

__all__ = ["conflict", "note", "two_lives"]


def note(connection: duckdb.DuckDBPyConnection, site: str, boots: Mapping[tuple[str, int], str], recv_us: int) -> None:
    """Write agents' starts, (node, boot) → agent, each once."""
    nodes, numbers = zip(*boots, strict=True)
    started = pa.table({"node": nodes, "boot": pa.array(numbers, pa.uint64()), "agent": list(boots.values())})
    connection.execute(
        "INSERT INTO nodes SELECT $site, node, boot, agent, make_timestamptz($recv::BIGINT) FROM started WHERE"
        " NOT EXISTS (FROM nodes known WHERE site = $site AND known.node = started.node AND known.boot = started.boot)",
        {"site": site, "recv": recv_us},
    )
    assert started.num_rows


def two_lives(node: str, places: list[str]) -> str:
    """What is wrong and what to do, for people at the twin and at either gateway."""
    return (
        f"{len(places)} gateways live as {node}: {', '.join(places)}. Only the first is served, the others keep what "
        f"they measure. If a card was copied, give the copy a name and a certificate of its own "
        f"(`aid4 edge enrol`); if it is none of yours: `aid4 twin revoke {node}`, then enrol the right one"
    )


def conflict(connection: duckdb.DuckDBPyConnection, found: Mapping[str, list[str]], recv_us: int) -> None:
    """Raise an event for each node: two live agents use its name, at these places, and the newcomer is refused."""
    for node, places in found.items():
        connection.execute(
            "INSERT INTO events SELECT ?, make_timestamptz(?::BIGINT), '', 'agent.conflict', 2, NULL, ?, '{}',"
            " make_timestamptz(?::BIGINT)",
            [node, recv_us, two_lives(node, places), recv_us],
        )
