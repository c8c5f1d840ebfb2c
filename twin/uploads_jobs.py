"""What passes between the twin and the child that reads uploads: the job, how far it is, and what was found."""

from typing import Any

import msgspec

__all__ = [
    "FileFound",
    "FlightFound",
    "LevelsJob",
    "PhotoFacts",
    "PhotoFound",
    "Progress",
    "ReadFile",
    "ReadJob",
    "ReadResult",
]


class ReadFile(msgspec.Struct, frozen=True):
    """One file of a job: its upload, where it lies, what its sender calls it and what for it came."""

    id: str
    path: str
    name: str
    kind: str


class ReadJob(msgspec.Struct, frozen=True):
    """The files of one group; `taken` is when they were taken if people know it and the files do not."""

    files: list[ReadFile]
    out_dir: str
    device: str = ""
    taken: str | None = None


class LevelsJob(msgspec.Struct, frozen=True):
    """A cloud, the folder of the tiles that it lies on, its 4x4 motion to model metres, and where levels go."""

    cloud: str
    meshes: str
    transform: list[list[float]]
    out_dir: str


class Progress(msgspec.Struct, frozen=True):
    """How far a child is."""

    share: float
    file: str = ""


class FileFound(msgspec.Struct, frozen=True):
    """What one file turned out to be, or why it is refused."""

    id: str
    kind: str = ""
    start_us: int | None = None
    warnings: list[str] = []
    damaged: bool = False
    problem: dict[str, str] | None = None


class FlightFound(msgspec.Struct, frozen=True):
    """One flight; its tables are `positions` (flights_found.TRACK) and `events`, files of the folder."""

    device: str
    kind: str
    file: str
    start_us: int | None
    finish_us: int | None
    duration_s: float | None
    height_datum: str | None
    battery: tuple[float, float] | None
    distance_m: float
    bounds: tuple[float, float, float, float]
    height_max_m: float | None
    rows: int
    warnings: list[str]
    positions: str
    events: str


class PhotoFacts(msgspec.Struct, frozen=True):
    """What a photo says of its camera: its row of drone_ingest.found.POSITIONS without time, and tags of its lens."""

    row: dict[str, Any] = {}
    make: str = ""
    model: str = ""
    rtk: dict[str, float] = {}
    tags: dict[str, str] = {}


class PhotoFound(msgspec.Struct, frozen=True, kw_only=True):
    """One photo: where its camera stood and looked; null what it does not say."""

    id: str
    name: str
    ts_us: int | None
    lat_deg: float | None
    lon_deg: float | None
    alt_m: float | None
    datum: int
    above_takeoff_m: float | None
    yaw_deg: float | None
    pitch_deg: float | None
    roll_deg: float | None
    width_px: int | None
    height_px: int | None
    focal_mm: float | None
    focal_35mm: float | None
    camera: str
    facts: PhotoFacts = PhotoFacts()


class ReadResult(msgspec.Struct, frozen=True):
    """`read.json`."""

    files: list[FileFound]
    flights: list[FlightFound]
    photos: list[PhotoFound]
