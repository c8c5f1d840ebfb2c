"""What each node shall run and the roll-outs, in the twin's database. Rows of `fleet_desired` are only added."""

from typing import Any, Literal

import duckdb
import msgspec

from twin.lookup import number

__all__ = ["Rollout", "Wanted", "add_wanted", "history", "newest_wanted", "next_id", "read_rollouts", "write_rollout"]

_HISTORY_MAX = 50  # rows kept of one node and section
_ROLLOUTS_MAX = 500  # kept; the oldest that ended go


class Wanted(msgspec.Struct, frozen=True):
    """What a node shall run of a section; `body` is the section without its revision."""

    section: str
    node: str
    revision: int
    rollout: int
    at_us: int
    by: str
    why: str
    body: dict[str, Any]


class Rollout(msgspec.Struct, frozen=True, kw_only=True):
    """One body on its way to its nodes, in their order. `before` is what each told node shall run without it, `failed`
    the nodes for which it stopped itself."""

    id: int
    section: str
    state: Literal["going", "done", "stopped"]
    body: dict[str, Any]
    nodes: list[str]
    stages: list[int]
    hold_s: float
    at_us: int
    by: str
    note: str = ""
    stage: int = 0
    why: str = ""
    revisions: dict[str, int] = {}
    before: dict[str, dict[str, Any]] = {}
    failing: dict[str, list[str]] = {}
    failed: list[str] = []

    @property
    def of_stage(self) -> list[str]:
        """The nodes that have it when the stage of now is over."""
        return self.nodes[: self.stages[self.stage]]


def newest_wanted(cursor: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], Wanted]:
    """By section and node."""
    rows = cursor.execute(
        f"SELECT {_COLUMNS} FROM fleet_desired QUALIFY row_number() OVER "  # noqa: S608 - names of ours
        "(PARTITION BY section, node ORDER BY revision DESC) = 1"
    ).fetchall()
    return {(row[0], row[1]): _wanted(row) for row in rows}


def history(cursor: duckdb.DuckDBPyConnection, section: str, node: str) -> list[Wanted]:
    """Newest first."""
    rows = cursor.execute(
        f"SELECT {_COLUMNS} FROM fleet_desired WHERE section = ? AND node = ? ORDER BY revision DESC",  # noqa: S608
        [section, node],
    ).fetchall()
    return [_wanted(row) for row in rows]


def add_wanted(connection: duckdb.DuckDBPyConnection, one: Wanted) -> None:
    """One row; the oldest of that node go."""
    text = msgspec.json.encode(one.body).decode()
    connection.execute(
        "INSERT INTO fleet_desired VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [one.section, one.node, one.revision, one.rollout, one.at_us, one.by, one.why, text],
    )
    connection.execute(
        "DELETE FROM fleet_desired WHERE section = ? AND node = ? AND revision NOT IN (SELECT revision FROM "
        "fleet_desired WHERE section = ? AND node = ? ORDER BY revision DESC LIMIT ?)",
        [one.section, one.node, one.section, one.node, _HISTORY_MAX],
    )


def next_id(connection: duckdb.DuckDBPyConnection) -> int:
    """Of the next roll-out."""
    return number(connection, "SELECT coalesce(max(id), 0) + 1 FROM fleet_rollouts")


def read_rollouts(cursor: duckdb.DuckDBPyConnection) -> dict[int, Rollout]:
    """All that are kept, by id."""
    rows = cursor.execute("SELECT body FROM fleet_rollouts ORDER BY id").fetchall()
    return {one.id: one for one in (msgspec.json.decode(row[0], type=Rollout) for row in rows)}


def write_rollout(connection: duckdb.DuckDBPyConnection, one: Rollout) -> None:
    """In place of the same id."""
    connection.execute("DELETE FROM fleet_rollouts WHERE id = ?", [one.id])
    text = msgspec.json.encode(one).decode()
    connection.execute("INSERT INTO fleet_rollouts VALUES (?, ?, ?, ?)", [one.id, one.section, one.state, text])
    connection.execute(
        "DELETE FROM fleet_rollouts WHERE state <> 'going' AND id <= ?",
        [one.id - _ROLLOUTS_MAX],
    )


_COLUMNS = 'section, node, revision, rollout, at_us, "by", why, body'


def _wanted(row: tuple[Any, ...]) -> Wanted:
    section, node, revision, rollout, at_us, by, why, body = row
    return Wanted(section, node, revision, rollout, at_us, by, why, msgspec.json.decode(body))
