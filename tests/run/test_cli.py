"""The command itself: light, and clear about what is wrong."""

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from aid4 import cli as module
from aid4.cli import cli
from wire.errors import InputError, LinkError

HEAVY = ("duckdb", "ifcopenshell", "open3d", "asyncua", "pymodbus", "starlette", "numpy", "pyarrow")


def loaded_after(*arguments: str) -> set[str]:
    code = (
        "import sys; from aid4.cli import cli\n"
        f"try: cli({list(arguments)!r})\nexcept SystemExit: pass\n"
        "print('\\n'.join(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stderr.split()}


def test_help_loads_no_room() -> None:
    loaded = loaded_after("--help")
    assert not loaded & {*HEAVY, "twin", "edge", "bim", "sim_devices"}


def test_the_agents_help_loads_nothing_of_the_twin() -> None:
    loaded = loaded_after("edge", "run", "--help")
    assert "edge" in loaded
    assert not loaded & {"duckdb", "ifcopenshell", "open3d", "twin", "bim"}


def test_every_command_of_the_help_is_there() -> None:
    for name in ("run", "twin", "edge", "bim", "drone", "model", "sim", "bench"):
        done = CliRunner().invoke(cli, [name, "--help"])
        assert done.exit_code == 0, done.output
        assert done.output.startswith("Usage:")


def test_the_version_is_that_of_the_distribution() -> None:
    assert CliRunner().invoke(cli, ["--version"]).output.startswith("aid4, version ")


def test_an_unknown_command_is_a_usage_error() -> None:
    assert CliRunner().invoke(cli, ["frobnicate"]).exit_code == 2


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (
            InputError("is no IFC", file="a.ifc", field="--ifc", fix="give one"),
            2,
            "a.ifc: --ifc: is no IFC\nfix: give one\n",
        ),
        (LinkError("broker gone"), 1, "aid4: broker gone\n"),
    ],
)
def test_an_error_is_one_line_and_the_way_out(
    error: Exception, status: int, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    @click.command()
    def breaks() -> None:
        raise error

    monkeypatch.setattr(module, "_load", lambda name, row: breaks)
    done = CliRunner().invoke(cli, ["edge"])
    assert (done.exit_code, done.stderr, done.stdout) == (status, text, "")


def test_a_missing_library_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "needs_it.py").write_text("import a_library_nobody_has\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(module._TABLE, "twin", module._Row("needs_it:twin", "twin", ""))
    done = CliRunner().invoke(cli, ["twin"])
    assert done.exit_code == 2
    assert "a_library_nobody_has" in done.stderr
    assert 'pip install "aid4[twin]"' in done.stderr


def test_a_library_that_is_missing_only_inside_a_command_names_the_extra_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "twin.server", raising=False)
    done = CliRunner().invoke(cli, ["twin", "serve", "--data-dir", "never-made", "--port", "0"])
    assert done.exit_code == 2
    assert 'pip install "aid4[twin]"' in done.stderr
