"""Labelled recordings in the layout of the public sets: what is learned from, what is labelled, how fast rows come.

A set that is not there is left out. What each detector may learn from is fixed here, once, for every file of a set:
the first 400 rows (SKAB), the training part (SMAP, ASD, SMD), the fault-free run (TEP), the first quarter (boilers),
the first half of the fault-free rows (air handlers), the sound flights before the fault (ArduPilot), half of the
runs with a sharp tool (mill).
"""

import csv
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.readings_csv import read_readings
from inference.windows import Floats
from wire.errors import InputError

__all__ = ["SETS", "Series", "label_column", "set_hash"]

_SKAB_ROWS = 400
_TEP_FAULT_FROM = 160


@dataclass(frozen=True)
class Series:
    """Values (rows, channels) that begin with `trained_rows` normal rows; labels (rows,)."""

    name: str
    values: Floats
    trained_rows: int
    labels: NDArray[np.bool_]
    row_s: float


def set_hash(folder: Path) -> str:
    """sha256 over the names and bytes of all files below, so results can be told to belong to their data."""
    whole = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            whole.update(f"{path.relative_to(folder).as_posix()} {content}\n".encode())
    return whole.hexdigest()


def label_column(path: Path, title: str) -> NDArray[np.bool_]:
    """A column of 0/1 or true/false."""
    with path.open(newline="", encoding="utf-8-sig") as lines:
        head = next(lines)
        delimiter = ";" if head.count(";") > head.count(",") else ","
        names = [name.strip() for name in next(csv.reader([head], delimiter=delimiter))]
        if title not in names:
            raise InputError("no such column", file=str(path), field=title, fix=f"the columns are {names[:20]}")
        at = names.index(title)
        cells = [row[at].strip().lower() for row in csv.reader(lines, delimiter=delimiter) if row]
    return np.array([cell not in ("0", "0.0", "false", "") for cell in cells])


def _skab(root: Path) -> Iterator[Series]:
    for path in sorted((root / "skab").glob("data/*/*.csv")):
        readings = read_readings(path)
        normal = "anomaly" not in path.open(encoding="utf-8").readline()
        labels = np.zeros(len(readings.values), bool) if normal else label_column(path, "anomaly")
        yield Series(f"{path.parent.name}/{path.stem}", readings.values, _SKAB_ROWS, labels, 1.0)


def _archives(folder: str, row_s: float) -> Callable[[Path], Iterator[Series]]:
    def read(root: Path) -> Iterator[Series]:
        for path in sorted((root / folder).glob("*.npz")):
            with np.load(path, allow_pickle=False) as found:
                train, test = (np.asarray(found[key], float) for key in ("train", "test"))
                marks = np.asarray(found["label"]) > 0
            train, test = (part.reshape(len(part), -1) for part in (train, test))
            labels = np.concatenate([np.zeros(len(train), bool), marks])
            yield Series(path.stem, np.concatenate([train, test]), len(train), labels, row_s)

    return read


def _tep(root: Path) -> Iterator[Series]:
    folder = root / "tep"
    if not (folder / "d00.npz").is_file():
        return
    normal = np.load(folder / "d00.npz", allow_pickle=False)["x"].astype(float)
    for path in sorted(folder.glob("d*_te.npz")):
        run = np.load(path, allow_pickle=False)["x"].astype(float)
        labels = np.zeros(len(normal) + len(run), bool)
        labels[len(normal) + _TEP_FAULT_FROM :] = path.stem != "d00_te"
        yield Series(path.stem, np.concatenate([normal, run]), len(normal), labels, 180.0)


def _boilers(root: Path) -> Iterator[Series]:
    for path in sorted((root / "ubc_cec").glob("*.csv")):
        readings = read_readings(path, only=("Value",))
        rows = len(readings.values)
        yield Series(path.stem, readings.values, rows // 4, label_column(path, "Anomaly"), 900.0)


def _air_handlers(root: Path) -> Iterator[Series]:
    for path in sorted((root / "hvac_lbnl").glob("*.csv")):
        readings, labels = read_readings(path), label_column(path, "Fault Detection Ground Truth")
        values = readings.values[:, [name != "Fault Detection Ground Truth" for name in readings.names]]
        sound = np.flatnonzero(~labels)
        learned = sound[: len(sound) // 2]
        rest = np.setdiff1d(np.arange(len(labels)), learned)
        order = np.concatenate([learned, rest])
        yield Series(path.stem, values[order], len(learned), labels[order], 60.0)


def _flights(root: Path) -> Iterator[Series]:
    for path in sorted((root / "ardupilot_motor_faults").glob("sitl_*.csv")):
        labels = label_column(path, "label")
        if labels.any():
            first = int(labels.argmax())
            yield Series(path.stem, read_readings(path).values, first * 3 // 5, labels, 0.1)


def _mill(root: Path) -> Iterator[Series]:
    table = root / "cnc_mill" / "train.csv"
    if not table.is_file():
        return
    with table.open(newline="") as lines:
        worn = {int(row["No"]): row["tool_condition"] == "worn" for row in csv.DictReader(lines)}
    runs = {int(path.stem.rpartition("_")[2]): path for path in sorted(table.parent.glob("experiment_*.csv"))}
    sharp = [number for number in runs if not worn[number]]
    order = [*sharp[: len(sharp) // 2], *sharp[len(sharp) // 2 :], *(number for number in runs if worn[number])]
    parts = {number: read_readings(runs[number]) for number in order}
    shared = [name for name in parts[order[0]].names if all(name in part.names for part in parts.values())]
    columns = {number: [part.names.index(name) for name in shared] for number, part in parts.items()}
    values = np.concatenate([parts[number].values[:, columns[number]] for number in order])
    labels = np.concatenate([np.full(len(parts[number].values), worn[number]) for number in order])
    learned = sum(len(parts[number].values) for number in sharp[: len(sharp) // 2])
    yield Series("runs", values, learned, labels, 0.1)


SETS: dict[str, tuple[str, Callable[[Path], Iterator[Series]]]] = {
    "skab": ("skab", _skab),
    "smap": ("smap_msl", _archives("smap_msl", 60.0)),
    "asd": ("asd", _archives("asd", 300.0)),
    "smd": ("smd", _archives("smd", 60.0)),
    "tep": ("tep", _tep),
    "boilers": ("ubc_cec", _boilers),
    "air_handlers": ("hvac_lbnl", _air_handlers),
    "flights": ("ardupilot_motor_faults", _flights),
    "mill": ("cnc_mill", _mill),
}
