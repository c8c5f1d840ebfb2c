"""What a new revision of a schedule changes, in the identity that its tool keeps."""

import pytest

from bim.schedule.diff import diff
from bim.schedule.read import read_schedule


@pytest.fixture
def revisions(xer, written):
    old, new = xer(), xer()
    dates = {"target_start_date": "2026-03-02 08:00", "target_end_date": "2026-03-03 17:00"}
    for plan, prefix in ((old, "1"), (new, "9")):  # P6 numbers its tasks anew in every database
        plan.task(f"{prefix}1", 16, task_code="A", task_name="Raft", **dates)
        plan.task(f"{prefix}2", 8, task_code="B")
    new.tables["TASK"][0]["target_end_date"] = "2026-03-05 17:00"
    new.tables["TASK"][1] = {**new.tables["TASK"][1], "task_code": "C"}
    old.link("11", "12")
    new.link("91", "92", "SS", 8)
    return read_schedule(written("old.xer", old.text())), read_schedule(written("new.xer", new.text()))


def test_what_moved_came_and_went_is_told(revisions):
    found = diff(*revisions)
    assert (found.added, found.removed) == (["C"], ["B"])
    moved = [(one.task, one.field, one.new, one.shift_days) for one in found.changed]
    assert moved == [
        ("A", "planned_finish", "2026-03-05T17:00:00", 2.0),
        ("A", "forecast_finish", "2026-03-05T17:00:00", 2.0),
    ]
    assert (found.links_added, found.links_removed) == (["A SS C +8 h work"], ["A FS B +0 h work"])
    assert found.counts() == {"added": 1, "removed": 1, "forecast_finish": 1, "planned_finish": 1}


def test_a_schedule_differs_from_itself_in_nothing(bim_data, read):
    plan = read(bim_data / "schependomlaan" / "planning_msproject.xml")
    found = diff(plan, plan)
    assert found.counts() == {"added": 0, "removed": 0}
    assert (found.links_added, found.links_removed) == ([], [])


def test_tasks_of_microsoft_are_matched_by_their_unique_id_not_their_row(bim_data, read, written):
    path = bim_data / "schedules" / "mpxj_task-links-project2019-mspdi.xml"
    moved = path.read_text("utf-8").replace("<ID>16</ID>", "<ID>99</ID>").replace("<UID>15</UID>", "<UID>77</UID>", 1)
    found = diff(read(path), read_schedule(written("m.xml", moved)))
    assert (found.added, found.removed, found.changed) == (["15"], ["15"], [])
