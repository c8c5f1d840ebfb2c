"""numpy columns of decoded records as Arrow arrays: fixed-size lists, texts, UTC times."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

__all__ = ["fixed_lists", "nulled", "texts", "utc"]

_TS = pa.timestamp("us", tz="UTC")


def fixed_lists(values: NDArray[np.generic]) -> pa.Array:
    """(n, k) numbers as n lists of k."""
    flat = pa.array(np.ascontiguousarray(values).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, values.shape[1])


def texts(values: NDArray[np.generic]) -> pa.Array:
    """(n,) byte strings up to their first zero byte; bytes that are no UTF-8 are read as Latin-1."""
    known: dict[bytes, str] = {}
    plain: list[str] = []
    for raw in values.tolist():
        text = known.get(raw)
        if text is None:
            text = _text(raw)
            if len(known) < 65_536:  # parameter names and statuses repeat
                known[raw] = text
        plain.append(text)
    return pa.array(plain, pa.string())


def _text(raw: bytes) -> str:
    raw = raw.partition(b"\0")[0]
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def nulled(values: NDArray[np.generic], known: NDArray[np.bool_], kind: pa.DataType | None = None) -> pa.Array:
    """Values with null where they are not known; NaN is not known either."""
    values = np.asarray(values)
    known = np.asarray(known, bool)
    if values.dtype.kind == "f":
        known = known & np.isfinite(values)
    found = pa.array(np.where(known, values, np.zeros(1, values.dtype)), mask=~known)
    return found if kind is None else found.cast(kind)


def utc(us: NDArray[np.int64], known: NDArray[np.bool_]) -> pa.Array:
    """Microseconds since 1970 as UTC timestamps, null where not known."""
    return pa.array(np.where(known, us, 0).astype(np.int64), mask=~np.asarray(known, bool)).cast(_TS)
