"""A configuration error names the file, the field and the fix; the sample is good."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from edge.cli import edge
from edge.config import load, problems
from edge.config_sample import SAMPLE
from wire.errors import ConfigError

GOOD = 'site = "campus"\nnode = "gw1"\n'


@pytest.mark.parametrize(
    ("text", "field", "problem", "fix"),
    [
        ('node = "gw1"\n', "site", "missing", 'site = "'),
        (GOOD.replace("campus", "Dubnica nad Váhom"), "site", "not a legal site name", "dubnica_nad_vahom"),
        (GOOD + '[broker]\nurl = "http://x:1"\n', "broker.url", "no broker", "mqtt://"),
        (GOOD + '[broker]\nurl = "mqtt://u:p@x"\n', "broker.url", "password", "password_file"),
        (GOOD + '[broker]\nuser_name = "x"\n', "broker.user_name", "not a known field", "'user'"),
        (GOOD + "[broker]\nkeepalive_s = 0.01\n", "broker.keepalive_s", ">= 0.2", "0.2"),
        (GOOD + '[spool]\nbudget_bytes = "1 GB"\n', "spool.budget_bytes", "expected `int`", "int"),
        (GOOD + '[spool]\nwhen_full = "panic"\n', "spool.when_full", "panic", ""),
        (GOOD + "[flush.bulk]\nrows = 0\n", "flush.bulk.rows", ">= 1", "1"),
        (GOOD + "[flush.bulks]\nrows = 1\n", "flush.bulks", "not a known field", "'bulk'"),
        (GOOD + "spol = 1\n", "spol", "not a known field", "'spool'"),
        (GOOD + '[source]\nkind = "mqtt"\n', "source", "list of tables", "[[source]]"),
        (GOOD + "[[source]]\nname = 'x'\n", "source[0].kind", "missing", "mqtt"),
        (GOOD + "[[source]]\nkind = 'modbuss'\nname = 'x'\n", "source[0].kind", "not known", "'modbus'"),
        (GOOD + "[[source]]\nkind = 'replay'\nnam = 'x'\n", "source[0].n", "", "name"),
        ("site = \n", "", "not TOML", "syntax"),
    ],
)
def test_an_error_names_file_field_and_fix(tmp_path: Path, text: str, field: str, problem: str, fix: str) -> None:
    file = tmp_path / "edge.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as raised:
        load(file)
    error = raised.value
    assert error.file == str(file)
    assert error.field.startswith(field)
    assert problem in error.problem
    assert fix in error.fix


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "edge.toml"
    file.write_text('site = "A B"\n[spool]\nsize = 1\n[broker]\nurl = "x"\n[flush.event]\nage_s = -1\n')
    fields = {problem.field for problem in problems(file)}
    assert fields == {"site", "node", "spool.size", "broker.url", "flush.event.age_s"}


def test_two_sources_of_one_name_are_an_error(tmp_path: Path) -> None:
    file = tmp_path / "edge.toml"
    source = '[[source]]\nkind = "mqtt"\nname = "a"\nurl = "mqtt://x:1"\n'
    file.write_text(GOOD + source + source)
    assert any(p.field == "source[1].name" and "twice" in p.problem for p in problems(file))


def test_init_writes_a_sample_that_check_finds_good(tmp_path: Path) -> None:
    file = tmp_path / "edge.toml"
    runner = CliRunner()
    assert runner.invoke(edge, ["init", str(file)]).exit_code == 0
    assert file.read_text() == SAMPLE
    checked = runner.invoke(edge, ["check", str(file), "--json"])
    assert json.loads(checked.stdout)["problems"] == []
    assert checked.exit_code == 0
    assert runner.invoke(edge, ["init", str(file)]).exit_code != 0  # never over a file that is there


def test_check_prints_every_problem_and_exits_2(tmp_path: Path) -> None:
    file = tmp_path / "edge.toml"
    file.write_text(GOOD + "[spool]\nbudget = 1\n")
    result = CliRunner().invoke(edge, ["check", str(file)])
    assert result.exit_code == 2
    assert f"{file}: spool.budget: is not a known field" in result.output
    assert "did you mean 'budget_bytes'?" in result.output


def test_importing_the_edge_loads_nothing_heavy() -> None:
    code = "import edge, edge.cli, edge.config, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert not loaded & {"pyarrow", "numpy", "duckdb", "ifcopenshell", "open3d", "paho", "asyncua", "pymodbus"}


def test_running_an_agent_loads_neither_duckdb_nor_ifcopenshell_nor_open3d() -> None:
    code = "import edge.agent, edge.doctor, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert not loaded & {"duckdb", "ifcopenshell", "open3d", "pandas", "twin", "bim", "asyncua", "pymodbus", "paho"}
