"""State of objects that are arrays over streams: grow them, save them, bring them back."""

import io
import zipfile
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from wire.errors import InputError

__all__ = ["Arrays", "arrays_of", "grown", "pack", "restored", "unpack"]

Arrays = dict[str, NDArray[Any]]
STATE_BYTES_MAX = 1 << 30  # 10,000 streams keep 200 MB
_META = "meta"


def arrays_of(thing: object, streams: int) -> Arrays:
    """The arrays of an object whose first axis is the streams, by attribute."""
    return {
        name: value
        for name, value in vars(thing).items()
        if isinstance(value, np.ndarray) and value.ndim and len(value) == streams
    }


def grown(old: object, new: object, streams: int) -> None:
    """Take the state of `streams` streams over into a larger object of the same kind."""
    for name, value in arrays_of(old, streams).items():
        getattr(new, name)[:streams] = value


def restored(thing: object, streams: int, rows: NDArray[np.intp], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Put saved rows where they belong: row k of `arrays` becomes row `rows[k]`, which may be -1 for nowhere."""
    here = rows >= 0
    for name, value in arrays_of(thing, streams).items():
        kept = arrays.get(name)
        if kept is not None and kept.shape[1:] == value.shape[1:]:
            value[rows[here]] = kept[here]


def pack(meta: Any, groups: Mapping[str, Arrays]) -> bytes:
    """One file: JSON and arrays, without pickle."""
    flat = {f"{group}/{name}": value for group, arrays in groups.items() for name, value in arrays.items()}
    flat[_META] = np.frombuffer(msgspec.json.encode(meta), np.uint8)
    sink = io.BytesIO()
    np.savez(sink, **flat)  # type: ignore[arg-type]
    return sink.getvalue()


def unpack(data: bytes) -> tuple[Any, dict[str, Arrays]]:
    """What `pack` made; InputError for anything else."""
    if len(data) > STATE_BYTES_MAX:
        raise InputError("the state is too large", field="state", fix="delete it; streams then learn anew")
    groups: dict[str, Arrays] = {}
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as found:
            meta = msgspec.json.decode(found[_META].tobytes())
            for name in found.files:
                group, slash, rest = name.partition("/")
                if slash:
                    groups.setdefault(group, {})[rest] = found[name]
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile, msgspec.MsgspecError) as error:
        raise InputError(f"no state of a scorer: {error}", field="state", fix="delete it") from error
    return meta, groups
