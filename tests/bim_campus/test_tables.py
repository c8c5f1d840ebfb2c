"""Wrong tables are refused with file, field and fix; hundreds of damaged ones are authored or refused, never crash."""

import random
import re
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import ifcopenshell
import pytest

from bim.campus.author import author_site
from bim.campus.loading import load_layout
from wire.errors import ConfigError

SITES = Path(__file__).resolve().parents[2] / "configs" / "sites"
DATA_DATE = date(2026, 6, 15)
PLAN = """
name = "Farm"
code = "F"
calendar = "Site"
weeks_before = 20
shift = ["07:00", "11:30", "12:00", "15:30"]
holidays = [{ name = "Good Friday", easter = -2 }, { name = "New Year", month = 1, day = 1 }]

[[work]]
key = "ground"
name = "Ground"
days = 10
trades = ["earthworks", "roads"]

[[work]]
key = "frame"
name = "Frame"
scope = "building"
days = 12
after = ["ground SS+3"]
trades = ["foundation", "steel"]

[[work]]
key = "handover"
name = "Hand over"
scope = "storey"
after = ["frame FS+2"]
spaces = true

[[delay]]
task = "G.frame"
extra_days = 4
"""


@pytest.fixture
def farm(tmp_path: Path) -> Path:
    folder = tmp_path / "farm"
    shutil.copytree(SITES / "farm", folder)
    (folder / "plan.toml").write_text(PLAN)
    return folder


def _change(folder: Path, name: str, old: str, new: str) -> None:
    text = (folder / name).read_text(encoding="utf-8")
    assert old in text
    (folder / name).write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "old", "new", "says"),
    [
        ("layout.toml", 'use = "barn"', 'use = "castle"', "'castle' is not known"),
        ("layout.toml", "rect_m = [0.0, 0.0, 20.0, 18.0]", "rect_m = [20.0, 0.0, 0.0, 18.0]", "is no box"),
        ("layout.toml", 'code = "G"', 'code = "B"', "'B' occurs twice"),
        ("layout.toml", 'name = "Peppers"', 'name = "Tomatoes"', "'Tomatoes' occurs twice"),
        ("layout.toml", 'outer = "timber"', 'outer = "gold"', "'gold' is not known"),
        ("layout.toml", "width_m = 4.0", "width_m = -4.0", ">= 0.3"),
        ("layout.toml", "relief_m = 0.8", "relief_m = nan", "relief_m|float"),
        ("layout.toml", "step_m = 20.0", "step_metres = 20.0", "unknown field"),
        ("layout.toml", "latitude_deg = 47.95", "latitude_deg = 147.95", "<= 90"),
        ("layout.toml", "rect_m = [-40.0, -40.0, 200.0, 160.0]", "rect_m = [-19e3, -19e3, 19e3, 19e3]", "too many"),
        ("layout.toml", "every_m = 20.0", "every_m = 0.0", ">= 0.3"),
        ("layout.toml", "\n[place]\n", "\n[place\n", "."),
        ("devices.toml", 'space = "Farmyard"', 'space = "Atlantis"', "no space 'Atlantis'"),
        ("devices.toml", 'kind = "silo"', 'kind = "rocket"', "no kind 'rocket'"),
        ("devices.toml", 'name = "silo-2"', 'name = "silo-1"', "two devices are named silo-1"),
        ("devices.toml", "IfcPump.ENDSUCTION", "IfcRocket.LARGE", "'IfcRocket' is not known"),
        ("devices.toml", 'sensor = "LEVELSENSOR"', 'sensor = "FROGSENSOR"', "'FROGSENSOR' is not known"),
        ("devices.toml", 'body = "silo"', 'body = "moon"', "'moon' is not known"),
        ("plan.toml", 'after = ["ground SS+3"]', 'after = ["nothing"]', "no work 'nothing'"),
        ("plan.toml", 'after = ["ground SS+3"]', 'after = ["ground XY+3"]', "is no link"),
        ("plan.toml", 'after = ["ground SS+3"]', 'after = ["all:handover"]', "wait for each other"),
        ("plan.toml", 'task = "G.frame"', 'task = "Z.frame"', "no task 'Z.frame'"),
        ("plan.toml", '"steel"]', '"stael"]', "no trade 'stael'"),
        ("plan.toml", "days = 12", "days = 4000", "<= 400"),
        ("plan.toml", '"07:00"', '"25:00"', "."),
    ],
)  # fmt: skip
def test_a_wrong_table_names_its_file_the_problem_and_a_fix(
    farm: Path, name: str, old: str, new: str, says: str
) -> None:
    _change(farm, name, old, new)
    with pytest.raises(ConfigError) as caught:
        author_site(farm, seed=4, data_date=DATA_DATE)
    assert caught.value.file.endswith(name)
    assert re.search(says, f"{caught.value.field} {caught.value.problem}")
    assert caught.value.fix


def test_a_folder_without_tables_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        load_layout(tmp_path)


def test_more_elements_than_the_bound_are_refused_before_memory_ends(farm: Path) -> None:
    fence = "[[fence]]\npath_m = [" + "[0.0, 0.0], [20000.0, 0.0]," * 20 + "]\n"
    path = farm / "layout.toml"
    path.write_text(path.read_text(encoding="utf-8") + fence, encoding="utf-8")
    with pytest.raises(ConfigError, match="more than 100000 elements"):
        author_site(farm, seed=4, data_date=DATA_DATE)


def test_a_plan_is_written_for_any_site(farm: Path, tmp_path: Path) -> None:
    made = author_site(farm, seed=4, data_date=DATA_DATE)
    path = tmp_path / "farm.ifc"
    path.write_text(made.text, encoding="ascii")
    model = ifcopenshell.open(str(path))
    tasks = [one for one in model.by_type("IfcTask") if not one.IsNestedBy]
    assert made.tasks > len(tasks) >= 4
    assert any(one.Name.startswith("Frame, Glasshouse") for one in tasks)


def _number(text: str, dice: random.Random) -> str:
    found = list(re.finditer(r"-?\d+\.\d+|\b\d+\b", text))
    at = dice.choice(found)
    new = dice.choice(
        ["0.0", "-1.0", "1e9", "nan", "inf", "0.001", "7", "-20000.0", '"x"', "[]", f"{dice.random() * 50:.3f}"]
    )
    return text[: at.start()] + new + text[at.end() :]


def _line_gone(text: str, dice: random.Random) -> str:
    lines = text.splitlines()
    lines.pop(dice.randrange(len(lines)))
    return "\n".join(lines)


def _line_twice(text: str, dice: random.Random) -> str:
    lines = text.splitlines()
    at = dice.randrange(len(lines))
    return "\n".join([*lines[:at], lines[at], *lines[at:]])


def _word(text: str, dice: random.Random) -> str:
    at = dice.choice(list(re.finditer(r'"[^"\n]*"', text)))
    new = dice.choice(['""', '"x"', '"\\u0000"', '"鋼"', '"' + "n" * 300 + '"', "3", "true", '"IfcWall"'])
    return text[: at.start()] + new + text[at.end() :]


def _bytes(text: str, dice: random.Random) -> str:
    at = dice.randrange(len(text))
    return text[:at] + chr(dice.choice([0, 10, 34, 91, 93, 0x7F, 0xE9])) + text[at + 1 :]


@pytest.mark.parametrize("name", ["layout.toml", "devices.toml", "plan.toml"])
@pytest.mark.parametrize("mutate", [_number, _line_gone, _line_twice, _word, _bytes], ids=lambda one: one.__name__)
def test_a_damaged_table_is_authored_or_refused(
    farm: Path, name: str, mutate: Callable[[str, random.Random], str]
) -> None:
    dice = random.Random(11)
    original = (farm / name).read_text(encoding="utf-8")
    refused = 0
    for _ in range(25):
        (farm / name).write_text(mutate(original, dice), encoding="utf-8")
        try:
            made = author_site(farm, seed=4, data_date=DATA_DATE)
        except ConfigError:
            refused += 1
        else:
            assert made.text.endswith("END-ISO-10303-21;\n")
            assert made.text.isascii()
    assert refused > 0 or mutate is _line_twice
