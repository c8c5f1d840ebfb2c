"""Starts of agents in the database, and the event of two that use one name."""

from collections.abc import Iterable, Mapping

import duckdb
import pyarrow as pa

__all__ = ["conflict", "note"]


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


def conflict(connection: duckdb.DuckDBPyConnection, heard: Iterable[tuple[str, int]], recv_us: int) -> None:
    """Raise an event: two live agents use one node name, and the newcomer is refused."""
    for node, boot in heard:
        connection.execute(
            "INSERT INTO events SELECT ?, make_timestamptz(?::BIGINT), '', 'agent.conflict', 2, NULL, ?, '{}',"
            " make_timestamptz(?::BIGINT)",
            [node, recv_us, f"another live agent uses this node name; boot {boot} was heard", recv_us],
        )
