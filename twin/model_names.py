"""GlobalIds of other revisions: which element of the live model each of them means now.

Every new revision is matched with the one that was live; rows of `model_matches` say where a GlobalId changed. They
make a graph over revisions that is walked both ways, so that a binding, a link or a bookmark made under any revision
finds its element in any other, and a revert brings the old names back without a copy of anything.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping

import duckdb

__all__ = ["Edge", "aliases_of", "read_aliases", "write_matches"]

Edge = tuple[int, int, str, str]  # from_revision, to_revision, old id, new id
_NAMES_MAX = 2_000_000  # changed ids of all revisions; a re-export of 100,000 elements brings 100,000


def write_matches(
    cursor: duckdb.DuckDBPyConnection,
    edge: tuple[int, int],
    pairs: Iterable[tuple[str, str, str, float]],
) -> None:
    """Keep the changed ids (old, new, how, confidence) from one revision to another."""
    rows = list(pairs)
    if rows:
        old, new, how, confidence = (list(column) for column in zip(*rows, strict=True))
        cursor.execute(
            "INSERT INTO model_matches SELECT ?, ?, unnest(?::VARCHAR[]), unnest(?::VARCHAR[]), unnest(?::VARCHAR[]),"
            " unnest(?::DOUBLE[])",
            [*edge, old, new, how, confidence],
        )


def read_aliases(cursor: duckdb.DuckDBPyConnection, revision: int) -> dict[str, str]:
    """Ids that a revision does not use, and the ids that it uses instead."""
    rows = cursor.execute(
        f"SELECT from_revision, to_revision, old, new FROM model_matches LIMIT {_NAMES_MAX}"  # noqa: S608  (a number)
    ).fetchall()
    return aliases_of(revision, rows)


def aliases_of(revision: int, edges: Iterable[Edge]) -> dict[str, str]:
    """Pure. Where two ways lead to one old id, the one over fewer revisions counts."""
    steps: defaultdict[int, defaultdict[int, dict[str, str]]] = defaultdict(lambda: defaultdict(dict))
    for start, end, old, new in edges:
        steps[end][start][old] = new  # from `start`'s names to `end`'s
        steps[start][end][new] = old
    names: dict[int, Mapping[str, str]] = {revision: {}}
    found: dict[str, str] = {}
    waiting = deque([revision])
    while waiting:
        here = waiting.popleft()
        known = names[here]
        for there, renamed in sorted(steps[here].items()):
            if there in names:
                continue
            carried = {old: new for old, new in known.items() if old not in renamed}
            own = {old: known.get(new, new) for old, new in renamed.items()}
            names[there] = carried | own
            for old, new in names[there].items():
                found.setdefault(old, new)
            waiting.append(there)
    return {old: new for old, new in found.items() if old != new}
