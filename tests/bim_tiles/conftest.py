"""What the tests of tiles share: each model built once, its products counted by the library itself, and Node.js."""

import importlib.util
import json
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import ifcopenshell
import pytest

from bim.tiles import TileSet, build_tiles

WEB = Path(__file__).resolve().parents[2] / "web"


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> Callable[[str], tuple[Path, TileSet]]:
    """Folder and tile set of a model of the data folder, built once a session."""

    @cache
    def building(name: str) -> tuple[Path, TileSet]:
        folder = tmp_path_factory.mktemp("tiles")
        return folder, build_tiles(shared_data / "bim" / name, folder)

    return building


@pytest.fixture(scope="session")
def opened(shared_data: Path) -> Callable[[str], ifcopenshell.file]:
    """A model opened by the IFC library itself, once a session."""
    return cache(lambda name: ifcopenshell.open(str(shared_data / "bim" / name)))


@pytest.fixture(scope="session")
def represented(opened: Callable[[str], ifcopenshell.file]) -> Callable[[str], dict[str, Any]]:
    """Products with a representation by GlobalId, taken straight from the IFC library."""
    return lambda name: {one.GlobalId: one for one in opened(name).by_type("IfcProduct") if one.Representation}


@pytest.fixture(scope="session")
def check_glb(tmp_path_factory: pytest.TempPathFactory) -> Callable[[list[Path]], tuple[Path, list[dict[str, Any]]]]:
    """Runs check_glb.mjs: a folder with the decompressed tiles by number, and a report on each."""
    if not (WEB / "node_modules" / "gltf-validator").is_dir():
        pytest.fail("web/node_modules lacks gltf-validator: run `python build.py npm ci` in web/")
    spec = importlib.util.spec_from_file_location("web_build", WEB / "build.py")
    assert spec is not None
    assert spec.loader is not None
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    _, environment = build._npm()

    def checking(files: list[Path]) -> tuple[Path, list[dict[str, Any]]]:
        out = tmp_path_factory.mktemp("plain")
        script = Path(__file__).with_name("check_glb.mjs")
        command = ["node", str(script), str(WEB), str(out), *map(str, files)]
        done = subprocess.run(command, env=environment, capture_output=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr.decode()
        reports: list[dict[str, Any]] = json.loads(done.stdout)
        return out, reports

    return checking
