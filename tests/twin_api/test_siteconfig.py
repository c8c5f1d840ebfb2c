"""A site's configuration: what is wrong is named with file, field and fix."""

from pathlib import Path

import pytest

from twin.siteconfig import load_site
from wire.errors import ConfigError

GOOD = """
name = "campus"
title = "Campus"
time_zone = "Europe/Bratislava"
languages = ["en", "sk", "zh-TW"]
crs = "EPSG:8353"
bounds = [18.15, 48.95, 18.17, 48.97]
[origin]
latitude_deg = 48.96
longitude_deg = 18.16
[model]
file = "house.ifc"
[[bind]]
points = "*/ahu-1/*"
space = "Plant room"
"""


def write(folder: Path, text: str) -> Path:
    (folder / "site.toml").write_text(text)
    return folder


def test_a_good_file_is_read_whole(tmp_path: Path) -> None:
    site = load_site(write(tmp_path, GOOD))
    assert (site.name, site.crs, site.model_path) == ("campus", "EPSG:8353", tmp_path / "house.ifc")
    assert [rule.space for rule in site.rules] == ["Plant room"]


def test_the_sample_in_the_docstring_is_true(tmp_path: Path) -> None:
    import twin.siteconfig

    sample = str(twin.siteconfig.__doc__).split("```toml\n")[1].split("```")[0]
    assert load_site(write(tmp_path, sample)).rules


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ('name = "campus"', 'name = "Campus!"', "name"),
        ('title = "Campus"', "title = 5", "title"),
        ("Europe/Bratislava", "Europe/Bratislawa", "time_zone"),
        ('"EPSG:8353"', '"8353"', "crs"),
        ("[18.15, 48.95, 18.17, 48.97]", "[18.17, 48.95, 18.15, 48.97]", "bounds"),
        ("[18.15, 48.95, 18.17, 48.97]", "[18.15, 48.95]", "bounds"),
        ("crs =", "csr =", "csr"),
        ("latitude_deg = 48.96", "latitude_deg = 148.96", "origin.latitude_deg"),
        ('file = "house.ifc"', 'path = "house.ifc"', "model"),
        ('space = "Plant room"', "", "bind[0]"),
        ('space = "Plant room"', 'space = "{room}"', "bind[0]"),
        ("name =", 'folder = "x"\nname =', "folder"),
    ],
)
def test_a_mistake_is_named_with_file_field_and_fix(tmp_path: Path, old: str, new: str, field: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load_site(write(tmp_path, GOOD.replace(old, new)))
    assert refused.value.file.endswith("site.toml")
    assert refused.value.field.startswith(field)
    assert refused.value.fix


@pytest.mark.parametrize("text", ["name = ", "\udcff", None])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "site.toml").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ConfigError) as refused:
        load_site(tmp_path)
    assert refused.value.file.endswith("site.toml")


@pytest.mark.parametrize("folder", sorted((Path(__file__).parents[2] / "configs" / "sites").glob("*/site.toml")))
def test_the_sites_of_the_project_are_good(folder: Path) -> None:
    assert load_site(folder.parent).name
