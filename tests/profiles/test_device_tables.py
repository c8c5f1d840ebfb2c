"""Rows of devices and of points are written out by one table, the same for model and park."""

from pathlib import Path

import pytest

from bim.campus.loading import load_layout
from sim_devices.campus import Campus
from sim_devices.site import load_site
from wire.device_tables import COUNT_MAX, read_devices
from wire.errors import ConfigError

CAMPUS = Path(__file__).resolve().parents[2] / "configs/sites/campus"
LAYOUT = """
[[building]]
code = "A"
[[building.storey]]
name = "A0"
rooms = [{ name = "Office north" }, { name = "Office south" }, { name = "Store" }]
[[outdoor]]
name = "Yard"
"""


def table(folder: Path, text: str) -> dict[str, list[dict[str, object]]]:
    (folder / "layout.toml").write_text(LAYOUT)
    (folder / "devices.toml").write_text(text)
    return read_devices(folder)


def test_a_device_a_room(tmp_path: Path) -> None:
    rows = table(
        tmp_path,
        '[[device]]\nname = "vav-{slug}"\nlabel = "Box {n}, {space}"\nkind = "k"\nspaces = ["Office*", "Yard"]\n'
        'not_spaces = ["*south"]\nlinks = { own = "ahu-{n}", other = "{ahu}" }\n',
    )["device"]
    assert [(row["name"], row["label"], row["space"]) for row in rows] == [
        ("vav-office-north", "Box 1, Office north", "Office north"), ("vav-yard", "Box 2, Yard", "Yard"),
    ]  # fmt: skip
    assert rows[1]["links"] == {"own": "ahu-2", "other": "{ahu}"}
    assert {row["row"] for row in rows} == {"vav-{slug}"}


def test_a_field_of_devices_in_rows(tmp_path: Path) -> None:
    rows = table(
        tmp_path,
        '[[device]]\nname = "p-{nn}"\nkind = "k"\nspace = "Yard"\ncount = 5\nfirst = 8\nat_m = [1.0, 2.0, 0.5]\n'
        "step_m = [3.0, 0.0]\nrow_m = [0.0, 4.0]\nrows = 2\n",
    )["device"]
    assert [row["name"] for row in rows] == ["p-08", "p-09", "p-10", "p-11", "p-12"]
    assert [row["at_m"] for row in rows] == [
        [1.0, 2.0, 0.5], [4.0, 2.0, 0.5], [1.0, 6.0, 0.5], [4.0, 6.0, 0.5], [1.0, 10.0, 0.5],
    ]  # fmt: skip


def test_an_array_of_points_with_what_drives_each(tmp_path: Path) -> None:
    kind = table(
        tmp_path,
        '[kind.board]\nmetrics = [{ name = "c_{nn}_power", count = 3, model = { drive = { "c_{nn}_current" = 0.2 } } },'
        ' { name = "total" }]\n',
    )["kind"]["board"]
    assert [one["name"] for one in kind["metrics"]] == ["c_01_power", "c_02_power", "c_03_power", "total"]
    assert kind["metrics"][2]["model"] == {"drive": {"c_03_current": 0.2}}


def test_a_kind_takes_its_profile_with_optional_points_and_models(tmp_path: Path) -> None:
    kind = table(
        tmp_path,
        '[kind.m]\nprofile = "meter"\nalso = ["reactive_power"]\nperiod_s = 9.0\n'
        "[kind.m.models]\nreactive_power = { mean = 2.0 }\n",
    )["kind"]["m"]
    names = [one["name"] for one in kind["metrics"]]
    assert names[0] == "voltage_l1"
    assert names[-1] == "reactive_power"
    assert (kind["period_s"], kind["brick"], kind["profile"]) == (9.0, "Electrical_Meter", "meter")
    assert kind["metrics"][-1]["model"] == {"mean": 2.0}


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ('[[device]]\nname = "x"\nspaces = ["Cellar*"]\n', "device[0].spaces"),
        (f'[[device]]\nname = "x"\ncount = {COUNT_MAX + 1}\n', "device[0].count"),
        ('[[device]]\nname = "x"\ncount = "many"\n', "device[0].count"),
        ('[kind.m]\nprofile = "meter"\nalso = ["nothing"]\n', "kind.m.also"),
        ('[kind.m]\nprofile = "meter"\nmodels = { nothing = {} }\n', "kind.m.models"),
        ('[kind.m]\nprofile = "toaster"\n', "profile"),
        ("device = 3\n", "device"),
        ("[[device\n", ""),
    ],
)
def test_a_row_that_cannot_be_is_named(tmp_path: Path, text: str, field: str) -> None:
    with pytest.raises(ConfigError) as caught:
        table(tmp_path, text)
    assert caught.value.field == field
    assert caught.value.fix


def test_model_and_park_read_the_same_devices() -> None:
    site, layout = load_site(CAMPUS), load_layout(CAMPUS)
    assert {one.name for one in site.devices} == {one.name for one in layout.devices if not one.planned}
    assert sum(1 for _ in site.points()) >= 1_900
    assert len({one.protocol for one in site.devices}) >= 7, "and the drones speak MAVLink"


def test_a_longer_row_leaves_every_other_device_as_it_was(tmp_path: Path) -> None:
    """A row draws its chance by itself, so that growing the park does not change what was known of it."""
    for name in ("layout.toml", "site.toml"):
        (tmp_path / name).write_text((CAMPUS / name).read_text())
    text = (CAMPUS / "devices.toml").read_text()
    assert "count = 24\nat_m" in text
    (tmp_path / "devices.toml").write_text(text.replace("count = 24\nat_m", "count = 20\nat_m"))
    start_us = 1_781_056_800_000_000
    parks = [Campus(load_site(folder), 7, start_us) for folder in (CAMPUS, tmp_path)]
    for park in parks:
        park.step(30.0)
    long, short = (park.values() for park in parks)
    kept = [key for key in short if not key.startswith("probe-")]
    assert len(long) - len(short) == 4 * 4
    assert all(long[key] == short[key] for key in kept)
