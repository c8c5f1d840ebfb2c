"""The model that drones fly around, opened for one command: tables, meshes, place on Earth, and the plan over it.

Tiles (and with them the meshes) are built in a child process; with a folder for them they are built once a model.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa

from bim.geo.frame import SiteFrame
from bim.geo.settings import Origin
from bim.geo.site import Geography, frame_of, read_geography
from bim.open import load_tables, read_model
from bim.schedule.element_plan import ElementPlan, planned_elements
from bim.schedule.link_csv import read_links, resolve_links
from bim.schedule.progress import Progress
from bim.schedule.read import read_schedule
from bim.schedule.timeline import FINISHED, IN_PROGRESS, NOT_STARTED, UNKNOWN
from bim.schedule.times import parse_at
from bim.summary import ModelSummary
from bim.tiles import Meshes, Step, cached_tiles, load_meshes
from wire.errors import UserError

__all__ = ["PLANNED", "Model", "element_plan", "moment_of", "open_model", "planned_at"]

PLANNED = {UNKNOWN: 0, NOT_STARTED: 1, IN_PROGRESS: 2, FINISHED: 3}
"""A state of a timeline → the column `planned` of scans: 0 unknown, 1 not started, 2 in progress, 3 finished."""


@dataclass(frozen=True, slots=True)
class Model:
    """One IFC file, read. `folder` holds its tile set."""

    file: str
    summary: ModelSummary
    tables: dict[str, pa.Table]
    meshes: Meshes
    folder: Path

    def frame(self, site: Path | None = None, place: tuple[float, float, float] | None = None) -> SiteFrame:
        """Its place on Earth, by the file, the folder of a site, and where its origin is (latitude, longitude, height)
        if that says neither; raises InputError when all is not enough."""
        known = Geography() if site is None else read_geography(site)
        if place is not None and known.origin is None:
            known = msgspec.structs.replace(known, origin=Origin(*place))
        return frame_of(self.summary.georeference, known)


@contextmanager
def open_model(ifc: Path, tiles: Path | None = None, progress: Callable[[Step], None] | None = None) -> Iterator[Model]:
    """A model for as long as a command needs it; `tiles` is a folder that keeps tile sets by what they are made of.
    `progress` is told of the steps of building, and of a last one when all is there.

    Raises ModelError for a file that cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="aid4-model-") as work:
        summary = read_model(str(ifc), Path(work))
        tables = load_tables(Path(work))
        folder, _ = cached_tiles(ifc, tiles or Path(work) / "tiles", progress=progress)
        if progress is not None:
            progress(Step("tiles", 1, 1))
        yield Model(str(ifc), summary, tables, load_meshes(folder), folder)


def element_plan(model: Model, links: Path | None, schedule: Path | None = None, encoding: str = "") -> ElementPlan:
    """What the plan says about its elements: by the schedule and a CSV of links, by such a CSV with dates alone, or by
    the model's own schedule. Raises UserError when nothing of the model is in it."""
    given = read_links(links, encoding) if links is not None and schedule is not None else None
    found = read_schedule(schedule or links or model.file, encoding=encoding)
    tables = [found["element_tasks"]]
    if given is not None:
        tables.append(resolve_links(given, found)[0])
    table = pa.concat_tables(tables)
    plan = ElementPlan.of(Progress.of(found, None), table, planned_elements(model.tables["elements"], table))
    if not plan.elements_linked:
        fix = "give --links a CSV with GlobalId and task_id that was made for this model"
        raise UserError(
            "no element of the model is linked to a task", file=str(links or schedule or model.file), fix=fix
        )
    return plan


def planned_at(plan: ElementPlan, moment: datetime) -> dict[str, int]:
    """Codes (see PLANNED) by GlobalId."""
    codes = np.array([PLANNED[code] for code in range(len(PLANNED))])[plan.planned_state(moment)]
    return dict(zip(plan.elements.to_pylist(), codes.tolist(), strict=True))


def moment_of(at: str | None) -> datetime:
    """A wall-clock time of the site as a person writes it; a date alone is the close of that day, nothing is now."""
    if at is None:
        return datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    try:
        return parse_at(at)
    except (ValueError, OverflowError) as error:
        raise UserError(str(error), field="--at", fix="write 2015-06-26 or 2015-06-26T15:00") from error
