"""Scans and what they say of elements, in the database: true at the time of the scan, known since it was judged."""

import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from twin.errors import NotFoundError
from twin.scans_combine import Combined, combine, strength
from twin.scans_rows import VERDICT_CODES, VERDICTS, ScanResult, ScanRow
from twin.store import Store
from twin.uploads_groups import Row
from wire.errors import InputError

__all__ = ["Evidence", "Scans", "read_verdicts"]

_COLUMNS = (
    'id, "group", upload, flight, name, epoch_us("at"), accepted, simulated, model, schedule, points, residual_m,'
    ' result, "by", epoch_us(known_from)'
)
_LIVE = "known_to IS NULL"
_VERDICTS_MAX = 5_000_000  # of one scan: elements of the largest federated model


class Evidence(msgspec.Struct, frozen=True):
    """What accepted scans say up to a moment: one row a scan and element, and for each element what they add up to."""

    ids: list[str]  # elements any scan looked at
    scan: NDArray[np.object_]  # by row of evidence
    at_us: NDArray[np.int64]
    deviation_mm: NDArray[np.float64]
    combined: Combined  # by row of `ids`
    rows: dict[str, int]  # row of each element in `ids`


class Scans:
    """Any thread may call; what takes a connection runs within the caller's transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store

    # -- reading

    def page(self, limit: int, offset: int) -> tuple[list[ScanRow], int]:
        """Scans, the newest first by when they were taken, and how many there are."""
        rows = self._scans(
            f'{_LIVE} ORDER BY "at" DESC, known_from DESC LIMIT $limit OFFSET $offset',
            {"limit": limit, "offset": offset},
        )
        with self._store.cursor() as cursor:
            total = cursor.execute(f"SELECT count(*) FROM scans WHERE {_LIVE}").fetchall()[0][0]  # noqa: S608
        return rows, int(total)

    def scan(self, scan: str) -> ScanRow:
        """One scan; NotFoundError."""
        found = self._scans(f"{_LIVE} AND id = $id", {"id": scan})
        if not found:
            raise NotFoundError(f"no scan {scan[:80]!r}", field="id", fix="GET /api/v1/scans lists them")
        return found[0]

    def ids(self) -> set[str]:
        """Every scan that has files, those that were undone too."""
        with self._store.cursor() as cursor:
            return {row[0] for row in cursor.execute("SELECT id FROM scans").fetchall()}

    def verdicts(self, scan: str) -> pa.Table:
        """What one scan says (table VERDICTS), by GlobalId."""
        columns = ", ".join(["element AS global_id", *VERDICTS.names[1:]])
        with self._store.cursor() as cursor:
            sql = f"SELECT {columns} FROM scan_verdicts WHERE scan = $scan ORDER BY element"  # noqa: S608
            found: pa.Table = cursor.sql(sql, params={"scan": scan}).to_arrow_table()
        return found.cast(VERDICTS)

    def of_element(self, elements: Sequence[str], known_us: int | None = None) -> list[dict[str, Any]]:
        """What every scan said of an element (under any of its ids), the newest first."""
        with self._store.cursor() as cursor:
            found = cursor.execute(
                f"""
                SELECT s.id AS scan, epoch_us(s."at") AS at_us, epoch_us(s.known_from) AS known_us, s.accepted,
                    s.simulated, v.verdict, v.p_built, v.seen, v.supported, v.pierced, v.occluded, v.planned,
                    v.deviation_mean_mm, v.deviation_p95_mm, v.deviation_n
                FROM scan_verdicts v JOIN scans s ON s.id = v.scan
                WHERE v.element IN (SELECT unnest($elements)) AND {_known(known_us)}
                ORDER BY s."at" DESC, s.known_from DESC LIMIT 1000
                """,  # noqa: S608
                {"elements": list(elements), **_moment(None, known_us)},
            )
            names = [column[0] for column in found.description or ()]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def evidence(
        self, at_us: int | None = None, known_us: int | None = None, name_of: Callable[[str], str] = str
    ) -> Evidence:
        """What all accepted scans together say at a moment, as far as it was known.

        `name_of` gives what an element of a former revision of the model is called now.
        """
        at = "" if at_us is None else 'AND s."at" <= make_timestamptz($at::BIGINT)'
        with self._store.cursor() as cursor:
            table: pa.Table = cursor.sql(
                f"""
                SELECT v.element, s.id AS scan, epoch_us(s."at") AS at_us, v.verdict, v.p_built,
                    v.seen::BIGINT AS seen, v.deviation_mean_mm
                FROM scan_verdicts v JOIN scans s ON s.id = v.scan AND s.accepted
                WHERE {_known(known_us)} {at} ORDER BY s."at", s.known_from, v.element
                """,  # noqa: S608
                params=_moment(at_us, known_us),
            ).to_arrow_table()
        element = table["element"].combine_chunks().dictionary_encode()
        names = pa.array([name_of(one) for one in element.dictionary.to_pylist()], pa.string()).dictionary_encode()
        element = pa.DictionaryArray.from_arrays(names.indices.take(element.indices), names.dictionary)
        numbers = element.indices.to_numpy().astype(np.int64)
        codes = pc.index_in(table["verdict"], value_set=pa.array(VERDICT_CODES)).to_numpy().astype(np.int8)
        p_built = table["p_built"].fill_null(np.nan).to_numpy()
        moments = table["at_us"].to_numpy()
        power = strength(p_built, table["seen"].to_numpy())
        ids: list[str] = element.dictionary.to_pylist()
        return Evidence(
            ids,
            table["scan"].to_numpy(),
            moments,
            table["deviation_mean_mm"].fill_null(np.nan).to_numpy(),
            combine(numbers, moments, codes, power, len(ids)),
            {one: row for row, one in enumerate(ids)},
        )

    def stamp(self, at_us: int | None = None, known_us: int | None = None) -> tuple[int, int]:
        """How many scans count at a moment, and when what is known of them last changed: equal stamps know the same."""
        at = "" if at_us is None else 'AND "at" <= make_timestamptz($at::BIGINT)'
        with self._store.cursor() as cursor:
            row = cursor.execute(
                f"SELECT count(*), coalesce(sum(hash(s.id) % 1000003), 0) FROM scans s WHERE accepted"  # noqa: S608
                f" AND {_known(known_us)} {at}",
                _moment(at_us, known_us),
            ).fetchall()[0]
        return int(row[0]), int(row[1])

    # -- changing

    def new_id(self) -> str:
        """Of a scan that is about to be kept."""
        return f"s{secrets.token_hex(8)}"

    def put(
        self, connection: duckdb.DuckDBPyConnection, scan: str, cloud: Row, result: ScanResult, verdicts: pa.Table, *,
        at_us: int, flight: str | None, model: str, schedule: int | None, now_us: int,
    ) -> None:  # fmt: skip
        """Keep a scan and its verdicts, known from now on; a refused one of the same group makes room for it."""
        connection.execute(
            f'UPDATE scans SET known_to = make_timestamptz($now::BIGINT) WHERE {_LIVE} AND "group" = $group',  # noqa: S608
            {"now": now_us, "group": cloud.group},
        ).fetchall()
        connection.execute(
            "INSERT INTO scans VALUES ($id, $group, $upload, $flight, $name, make_timestamptz($at::BIGINT), $accepted,"
            " $simulated, $model, $schedule, $points, $residual_m, $result, $by, make_timestamptz($now::BIGINT), NULL)",
            {
                "id": scan, "group": cloud.group, "upload": cloud.id, "flight": flight, "name": cloud.name, "at": at_us,
                "accepted": result.accepted, "simulated": result.simulated, "model": model, "schedule": schedule,
                "points": result.points, "residual_m": result.residual_m, "by": cloud.by, "now": now_us,
                "result": msgspec.json.encode(result).decode(),
            },
        ).fetchall()  # fmt: skip
        rows = verdicts.rename_columns(["element", *VERDICTS.names[1:]])
        rows = rows.append_column("scan", pa.array([scan] * len(rows), pa.string()))
        connection.register("found", rows)
        connection.execute("INSERT INTO scan_verdicts BY NAME SELECT * FROM found").fetchall()
        connection.unregister("found")

    def undo(self, connection: duckdb.DuckDBPyConnection, group: str, now_us: int) -> int:
        """What the scans of a group said is known no longer; how many there were."""
        found = connection.execute(
            f'UPDATE scans SET known_to = make_timestamptz($now::BIGINT) WHERE {_LIVE} AND "group" = $group',  # noqa: S608
            {"now": now_us, "group": group},
        ).fetchall()
        return int(found[0][0]) if found else 0

    def _scans(self, where: str, values: dict[str, Any]) -> list[ScanRow]:
        with self._store.cursor() as cursor:
            found: list[Any] = cursor.execute(f"SELECT {_COLUMNS} FROM scans WHERE {where}", values).fetchall()  # noqa: S608
        return [_scan(list(row)) for row in found]


def read_verdicts(path: Path) -> pa.Table:
    """The verdicts that a scan job wrote, checked; InputError when they are not what it promises."""
    fix = "please report it with the cloud"
    try:
        if pq.read_metadata(path).num_rows > _VERDICTS_MAX:
            raise InputError("more verdicts than any model has elements", file=path.name, fix=fix)
        table = pq.read_table(path)
        missing = [name for name in VERDICTS.names if name not in table.column_names]
        for name in missing:
            if not name.startswith("deviation"):
                raise InputError("a column is missing", file=path.name, field=name, fix=fix)
            table = table.append_column(name, pa.nulls(len(table), VERDICTS.field(name).type))
        table = table.select(VERDICTS.names)
        for place, field in enumerate(VERDICTS):
            table = table.set_column(place, field, table[field.name].cast(field.type, safe=False))
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"no whole verdicts: {error}", file=path.name, fix=fix) from error
    strange = set(table["verdict"].unique().to_pylist()) - set(VERDICT_CODES[1:])
    if strange or table["global_id"].null_count or len(table["global_id"].unique()) != len(table):
        raise InputError(f"no sound verdicts: {sorted(map(str, strange))[:3]}", file=path.name, fix=fix)
    return table.set_column(7, VERDICTS.field("planned"), table["planned"].fill_null(0))


def _scan(row: list[Any]) -> ScanRow:
    row[12] = msgspec.json.decode(row[12], type=ScanResult)
    return ScanRow(*row)


def _known(known_us: int | None) -> str:
    if known_us is None:
        return f"s.{_LIVE}"
    then = "make_timestamptz($known::BIGINT)"
    return f"s.known_from <= {then} AND (s.known_to IS NULL OR s.known_to > {then})"


def _moment(at_us: int | None, known_us: int | None) -> dict[str, int]:
    given = {"at": at_us, "known": known_us}
    return {name: value for name, value in given.items() if value is not None}
