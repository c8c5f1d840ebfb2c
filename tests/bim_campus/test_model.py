"""The authored campus: valid IFC4X3, the same bytes each time, on its place on Earth, and everything in its place."""

import math
import re
import subprocess
import sys
from collections import Counter
from datetime import date
from pathlib import Path

import ifcopenshell
import ifcopenshell.validate
import pyproj
import pytest

from bim.campus.author import author_site

ROOT = Path(__file__).resolve().parents[2]
SITES = ROOT / "configs" / "sites"
DATA_DATE = date(2026, 6, 15)


@pytest.mark.parametrize("site", ["campus", "fab", "farm"])
def test_every_site_is_valid_to_the_letter_and_the_rules_of_the_schema(site: str, tmp_path: Path) -> None:
    path = tmp_path / f"{site}.ifc"
    path.write_text(author_site(SITES / site, seed=4, data_date=DATA_DATE).text, encoding="ascii")
    log = ifcopenshell.validate.json_logger()
    ifcopenshell.validate.validate(ifcopenshell.open(str(path)), log, express_rules=True)
    assert log.statements == []


def test_two_processes_write_the_same_bytes(campus_file: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "aid4", "bim", "sample", str(tmp_path / "again.ifc")]
    subprocess.run(command, check=True, cwd=ROOT, env={"PYTHONHASHSEED": "77", "PATH": "/usr/bin:/bin"})
    assert (tmp_path / "again.ifc").read_bytes() == campus_file.read_bytes()


def test_another_seed_changes_the_ids_and_nothing_else(campus) -> None:
    other = author_site(SITES / "campus", seed=5, data_date=DATA_DATE)
    ids = re.compile(r"'[0-3][0-9A-Za-z_$]{21}'")
    assert other.text != campus.text
    assert ids.sub("''", other.text) == ids.sub("''", campus.text)


def test_no_global_id_occurs_twice(model: ifcopenshell.file) -> None:
    ids = Counter(one.GlobalId for one in model.by_type("IfcRoot"))
    assert max(ids.values()) == 1


def test_it_is_a_park_of_thousands_of_elements(model: ifcopenshell.file) -> None:
    elements = [one for one in model.by_type("IfcElement") if not one.is_a("IfcFeatureElement")]
    assert model.schema_identifier.startswith("IFC4X3")
    assert len(elements) >= 3000
    assert len(model.by_type("IfcBuilding")) >= 3
    assert {"IfcRoad", "IfcRoadPart", "IfcPavement", "IfcKerb", "IfcGeographicElement", "IfcSolarDevice", "IfcStair",
            "IfcDistributionPort", "IfcZone", "IfcDistributionSystem"} <= {one.is_a() for one in model}  # fmt: skip


def test_it_lies_at_dubnica_by_three_ways_that_agree(model: ifcopenshell.file) -> None:
    (conversion,) = model.by_type("IfcMapConversion")
    crs, site, context = conversion.TargetCRS, model.by_type("IfcSite")[0], conversion.SourceCRS
    assert crs.Name == "EPSG:8353"
    assert "Baltic" in crs.VerticalDatum
    to_map = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:8353", always_xy=True)
    degrees = [
        part[0] + part[1] / 60 + (part[2] + part[3] / 1e6) / 3600 for part in (site.RefLongitude, site.RefLatitude)
    ]
    east, north = to_map.transform(*degrees)
    assert (conversion.Eastings, conversion.Northings) == (pytest.approx(east, abs=1.0), pytest.approx(north, abs=1.0))
    north_east, north_north = to_map.transform(degrees[0], degrees[1] + 0.001)
    # map north to true north, and the grid's y axis to true north, both clockwise
    turn = _degrees(north_east - east, north_north - north)
    grid = _degrees(*context.TrueNorth.DirectionRatios[:2])
    axis = _degrees(-conversion.XAxisOrdinate, conversion.XAxisAbscissa)
    assert grid + axis == pytest.approx(turn, abs=0.02)


def _degrees(x: float, y: float) -> float:
    """Of a direction against the y axis, clockwise."""
    return math.degrees(math.atan2(x, y))
