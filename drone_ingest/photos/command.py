"""What `aid4 drone photos` does, as the JSON document of the command."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import msgspec

from bim.tiles import Step
from drone_ingest.mission.chosen import standing
from drone_ingest.model import moment_of, open_model
from drone_ingest.photos.defects import Book, Mark, anchor, mark, read_book, seen_again, write_book
from drone_ingest.photos.detector import Detector, read_picture
from drone_ingest.photos.given_poses import read_poses
from drone_ingest.photos.index import Index, Placed, index_photos, photo_files, write_index
from drone_ingest.photos.pick import Picker
from drone_ingest.photos.seen import PhotoScene, ranked
from wire.errors import InputError, UserError

__all__ = ["Asked", "look_at_photos"]

Bar = Callable[[int], AbstractContextManager[Callable[[int], None]]]
_Pixels = tuple[float, float, float, float]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The options of the command."""

    links: Path | None
    schedule: Path | None
    at: str | None
    poses: Path | None
    transform: Path | None
    takeoff_z: float | None
    place: tuple[float, float, float] | None
    element: str | None
    detector: Path | None
    least_score: float
    marks: tuple[str, ...]
    defects: Path | None
    flight: str
    by: str
    out: Path | None
    site: Path | None
    tiles: Path | None


def look_at_photos(
    places: Sequence[Path], ifc: Path, asked: Asked, tell: Callable[[Step], None], bar: Bar
) -> dict[str, Any]:
    """Place the photos, look through them, mark; raises UserError for what a person can mend."""
    files = photo_files(places)
    given = read_poses(asked.poses, asked.transform) if asked.poses is not None else None
    detector = Detector(asked.detector, asked.least_score) if asked.detector is not None else None
    book = read_book(asked.defects) if asked.defects is not None and asked.defects.exists() else Book()
    with open_model(ifc, asked.tiles, tell) as model:
        moment = moment_of(asked.at) if asked.at is not None else None
        bodies = standing(model, asked.links, asked.schedule, moment)
        try:
            frame = model.frame(asked.site, asked.place)
        except InputError:
            if given is None:
                raise
            frame = None
        scene = PhotoScene(bodies)
        with bar(len(files)) as progress:
            index = index_photos(files, scene, frame, takeoff_m=asked.takeoff_z, given=given, progress=progress)
        picker = Picker(bodies)
        by_name = {path.name: path for path in files}
        book, not_marked = _marked(book, index, by_name, detector, asked, picker)
        known = _document(index)
        known["again"] = {
            one.pose.photo: shown for one in index.placed if (shown := seen_again(book, one.pose, picker))
        }
    if asked.element is not None:
        known["ranking"] = ranked([index.elements], asked.element)
    if asked.defects is not None:
        write_book(book, asked.defects)
        known["defects"] = [_defect(one) for one in book.defects]
        known["not_marked"] = not_marked
    if asked.out is not None:
        known["written"] = write_index(index, asked.out)
    return known


def _marked(
    book: Book, index: Index, files: dict[str, Path], detector: Detector | None, asked: Asked, picker: Picker
) -> tuple[Book, list[str]]:
    """The book with what was marked by hand and found by a detector; and what met no element."""
    not_marked: list[str] = []
    by_photo = {one.pose.photo: one for one in index.placed}
    for text in asked.marks:
        photo, box, kind = _parsed(text)
        if photo not in by_photo:
            raise UserError(f"{photo!r} is none of the placed photos", field="--mark", fix="name a photo with a pose")
        where = anchor(by_photo[photo].pose, box, picker)
        book, _ = mark(book, kind, _mark(by_photo[photo], box, where, asked, asked.by, None))
    if detector is None:
        return book, not_marked
    for one in index.placed:
        lens = one.pose.lens
        for found in detector.find(read_picture(files[one.pose.photo], lens.width_px, lens.height_px)):
            try:
                where = anchor(one.pose, found.box_px, picker)
            except InputError as error:
                not_marked.append(f"{one.pose.photo}: {found.kind}: {error.problem}")
                continue
            by = f"detector {asked.detector.name}" if asked.detector is not None else ""
            book, _ = mark(book, found.kind, _mark(one, found.box_px, where, asked, by, found.score))
    return book, not_marked


def _mark(one: Placed, box: _Pixels, where: Any, asked: Asked, by: str, score: float | None) -> Mark:
    at = "" if one.ts is None else one.ts.isoformat()
    return Mark(photo=one.pose.photo, flight=asked.flight, at=at, box_px=box, anchor=where, by=by, score=score)


def _parsed(text: str) -> tuple[str, _Pixels, str]:
    try:
        photo, box, kind = text.rsplit(":", 2)
        u0, v0, u1, v1 = (float(part) for part in box.split(","))
    except ValueError as error:
        fix = "write PHOTO:U0,V0,U1,V1:KIND, as DJI_0018.JPG:100,200,180,260:crack"
        raise UserError(f"{text!r} is no mark", field="--mark", fix=fix) from error
    return photo, (u0, v0, u1, v1), kind


def _document(index: Index) -> dict[str, Any]:
    shown: dict[str, list[dict[str, Any]]] = {}
    for row in index.elements.to_pylist():
        photo = row.pop("photo")
        shown.setdefault(photo, []).append(
            {
                "global_id": row["element"], "share": round(row["share"], 5), "distance_m": round(row["distance_m"], 3),
                "facing": round(row["facing"], 3), "pixel_mm": round(row["pixel_mm"], 3),
            }
        )  # fmt: skip
    photos = [
        {
            "file": row["photo"], "ts": None if row["ts"] is None else row["ts"].isoformat(),
            "eye_m": [row["x_m"], row["y_m"], row["z_m"]], "yaw_deg": row["yaw_deg"], "pitch_deg": row["pitch_deg"],
            "sigma_m": row["sigma_m"], "how": row["how"], "footprint_m": row["footprint_m"],
            "elements": shown.get(row["photo"], []),
        }
        for row in index.photos.to_pylist()
    ]  # fmt: skip
    return {
        "photos": photos,
        "elements": len({one["global_id"] for rows in shown.values() for one in rows}),
        "without_pose": index.without,
        "warnings": sorted({line for one in index.placed for line in one.pose.warnings}),
    }


def _defect(one: Any) -> dict[str, Any]:
    return {
        "id": one.id, "kind": one.kind, "element": one.element, "state": one.state, "point_m": list(one.point_m),
        "size_m": one.size_m, "growth_m": one.growth_m, "marks": len(one.marks),
        "photos": [mark.photo for mark in one.marks], "flights": sorted({mark.flight for mark in one.marks}),
    }  # fmt: skip
