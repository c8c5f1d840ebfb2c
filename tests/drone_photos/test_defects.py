"""Defects stay with their element and place over flights, keep every mark, and survive their file."""

import random
from pathlib import Path

import msgspec
import numpy as np
import pytest

import drone_ingest
from drone_ingest.found import Photo
from drone_ingest.photos.defects import Book, Mark, anchor, mark, read_book, seen_again, set_state, write_book
from drone_ingest.photos.pick import Picker
from drone_ingest.photos.pose import CameraPose, pose_of
from wire.errors import InputError


@pytest.fixture
def pose(facing: Path, frame) -> CameraPose:
    found = drone_ingest.read(facing)
    assert isinstance(found, Photo)
    return pose_of(found, frame)


def around(
    pose: CameraPose, point: tuple[float, float, float], half_px: float = 10.0
) -> tuple[float, float, float, float]:
    pixels, inside = pose.pixels(np.array([point]))
    assert inside[0]
    u, v = pixels[0].tolist()
    return (u - half_px, v - half_px, u + half_px, v + half_px)


def marked(pose: CameraPose, point, picker: Picker, at: str, flight: str, half_px: float = 10.0) -> Mark:
    box = around(pose, point, half_px)
    return Mark(photo=pose.photo, flight=flight, at=at, box_px=box, anchor=anchor(pose, box, picker), by="eva")


def test_a_mark_lies_on_its_element_at_its_point_with_its_size(wall, pose: CameraPose) -> None:
    found = anchor(pose, around(pose, (4.0, 0.0, 6.0), 20.0), Picker(wall))
    assert found.element == "right"
    assert found.point_m == pytest.approx((4.0, 0.0, 6.0), abs=0.02)
    assert found.normal == pytest.approx((0, -1, 0), abs=1e-6)
    assert found.size_m == pytest.approx(40 * 2**0.5 / pose.lens.focal_px * 20, rel=0.02)


def test_the_same_crack_on_a_later_flight_is_the_same_defect_and_its_growth_is_known(wall, pose: CameraPose) -> None:
    picker = Picker(wall)
    book, first = mark(Book(), "crack", marked(pose, (4.0, 0.0, 6.0), picker, "2026-05-01", "may", 8))
    later = msgspec.structs.replace(pose, photo="june.JPG", eye_m=(6.0, -15.0, 8.0))
    book, second = mark(book, "crack", marked(later, (4.05, 0.0, 5.98), picker, "2026-06-01", "june", 30))
    assert second == first
    assert len(book.defects) == 1
    one = book.defects[0]
    assert [row.flight for row in one.marks] == ["may", "june"]
    assert one.growth_m > 0.1
    book, other = mark(book, "spall", marked(pose, (4.0, 0.0, 6.0), picker, "2026-05-01", "may"))
    book, far = mark(book, "crack", marked(pose, (8.5, 0.0, 1.0), picker, "2026-05-01", "may"))
    book, left = mark(book, "crack", marked(pose, (-0.1, 0.0, 6.0), picker, "2026-05-01", "may"))
    assert len({first, other, far, left}) == 4
    assert [row.id for row in book.of("left")] == [left]


def test_marking_twice_is_marking_once_and_a_mended_defect_opens_again(wall, pose: CameraPose) -> None:
    made = marked(pose, (4.0, 0.0, 6.0), Picker(wall), "2026-05-01", "may")
    book, name = mark(Book(), "crack", made)
    assert mark(book, "crack", made) == (book, name)
    mended = set_state(book, name, "mended", "2026-05-20", "jan", "filled")
    assert mended.defects[0].state == "mended"
    again = msgspec.structs.replace(made, at="2026-06-01", photo="b.JPG")
    book, _ = mark(mended, "crack", again)
    assert [step.state for step in book.defects[0].steps] == ["open", "mended", "open"]
    assert mended.defects[0].state == "mended"  # the earlier book is untouched
    with pytest.raises(InputError):
        set_state(book, "nobody", "mended", "2026-06-01")


def test_a_new_flight_tells_which_defects_to_look_at_and_where(wall, pose: CameraPose) -> None:
    picker = Picker(wall)
    book, name = mark(Book(), "crack", marked(pose, (4.0, 0.0, 6.0), picker, "2026-05-01", "may"))
    nearer = msgspec.structs.replace(pose, photo="new.JPG", eye_m=(5.0, -9.0, 6.0))
    shown = seen_again(book, nearer, picker)
    assert list(shown) == [name]
    u, v = shown[name]
    assert nearer.rays(np.array([[u, v]]))[1][0] == pytest.approx(np.array([-1, 9, 0]) / 82**0.5, abs=0.01)
    from_behind = msgspec.structs.replace(pose, photo="c.JPG", eye_m=(4.0, 30.0, 6.0),
                                          axes=((-1.0, 0.0, 0.0), (0.0, 0.0, -1.0), (0.0, -1.0, 0.0)))  # fmt: skip
    assert seen_again(book, from_behind, picker) == {}
    assert seen_again(book, pose, picker) == {}  # it was marked on this one


def test_a_box_on_the_sky_or_outside_is_refused(wall, pose: CameraPose) -> None:
    picker = Picker(wall)
    for box in (
        (0.0, 0.0, 10.0, 10.0),
        (-5.0, 0.0, 10.0, 10.0),
        (20.0, 20.0, 10.0, 10.0),
        (0.0, 0.0, float("nan"), 1.0),
    ):
        with pytest.raises(InputError) as refused:
            anchor(pose, box, picker)
        assert refused.value.field == "box_px"


def test_a_book_survives_its_file_and_no_damage_does_more_than_be_refused(wall, pose: CameraPose, tmp_path) -> None:
    picker = Picker(wall)
    book = Book()
    for at in range(6):
        book, name = mark(book, "crack", marked(pose, (-8 + 3 * at, 0.0, 4.0), picker, f"2026-05-0{at + 1}", "may"))
    book = set_state(book, name, "watched", "2026-06-01", "jan", "širšia o milimeter")
    write_book(book, tmp_path / "defects.json")
    assert read_book(tmp_path / "defects.json") == book
    whole = (tmp_path / "defects.json").read_bytes()
    rng = random.Random(5)
    refused = 0
    for _ in range(300):
        data = bytearray(whole)
        at = rng.randrange(len(data))
        if rng.random() < 0.5:
            data[at] = rng.randrange(256)
        else:
            del data[at : at + rng.randrange(1, 300)]
        (tmp_path / "broken.json").write_bytes(data)
        try:
            read_book(tmp_path / "broken.json")
        except InputError:
            refused += 1
    assert refused > 150


def test_an_id_that_is_there_twice_is_refused(wall, pose: CameraPose, tmp_path: Path) -> None:
    book, _ = mark(Book(), "crack", marked(pose, (4.0, 0.0, 6.0), Picker(wall), "2026-05-01", "may"))
    write_book(Book(defects=book.defects * 2), tmp_path / "d.json")
    with pytest.raises(InputError, match="twice"):
        read_book(tmp_path / "d.json")
