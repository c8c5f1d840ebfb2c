"""What the park writes for its children is what they read."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aid4.configs_path import site_path
from aid4.park_config import Layout, agent_toml, default_data_dir, gateways, replay_sources, site_name, toml_value
from edge.config import load
from wire.errors import ConfigError, InputError, UserError

PLAIN = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(st.characters(codec="utf-8"), max_size=20),
)
TREES = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)  # a busy machine draws slowly
@given(TREES)
def test_what_is_written_as_toml_is_read_back_the_same(value: object) -> None:
    assert tomllib.loads(f"x = {toml_value(value)}")["x"] == value


def test_the_agents_configuration_is_one_the_agent_takes(tmp_path: Path) -> None:
    recording = tmp_path / 'odd "name" č.csv'
    recording.write_text("time,a\n2020-01-01T00:00:00Z,1\n")
    sources, warnings = replay_sources(tmp_path, [recording, recording], None)
    path = tmp_path / "edge.toml"
    path.write_text(agent_toml("campus", broker_port=1883, password_file=tmp_path / "p", sources=sources))
    config = load(path)
    assert (config.site, config.node, config.broker.port) == ("campus", "gw-1", 1883)
    assert [source.name for source in config.sources] == ["odd_name_c", "odd_name_c-2"]
    assert len(warnings) == 2
    again, _ = replay_sources(tmp_path, [recording], None)
    sessions = [source["session"] for source in [*sources, *again]]
    assert sessions[0] == sessions[1] != sessions[2]  # the next `aid4 run` plays them again from the start


def test_the_first_rule_that_fits_a_recording_decides(tmp_path: Path) -> None:
    (tmp_path / "replay.toml").write_text(
        '[[replay]]\nmatch = "ahu*.csv"\ndevice = "ahu-1"\ntime_zone = "America/Chicago"\n[[replay]]\nmatch = "*"\n'
    )
    files = [tmp_path / "ahu.csv", tmp_path / "other.csv.gz"]
    for file in files:
        file.touch()
    (first, second), warnings = replay_sources(tmp_path, files, 2.5)
    assert (first["device"], first["time_zone"], first["speed"]) == ("ahu-1", "America/Chicago", 2.5)
    assert (second["device"], second["name"]) == ("other", "other")
    assert warnings == []


def test_a_missing_recording_and_a_rule_without_a_match_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.csv"):
        replay_sources(tmp_path, [tmp_path / "gone.csv"], None)
    (tmp_path / "replay.toml").write_text('[[replay]]\ndevice = "x"\n')
    with pytest.raises(ConfigError, match=r"replay\[0\]\.match"):
        replay_sources(tmp_path, [], None)


def test_a_site_is_a_folder_or_one_of_ours(tmp_path: Path) -> None:
    assert site_name(site_path("campus")) == "campus"
    assert site_name(site_path(None)) == "campus"
    assert site_name(site_path(None, Path("any.ifc"))) == "campus"
    assert site_name(site_path(None, Path("models/Office_A_20110811.ifc"))) == "office_a"
    with pytest.raises(UserError, match="no site") as caught:
        site_path(str(tmp_path))
    assert "campus" in caught.value.fix
    (tmp_path / "site.toml").write_text('name = "Not Legal"\n')
    with pytest.raises(ConfigError, match="name"):
        site_name(tmp_path)


def test_the_data_directory_is_the_users_state_folder_and_private(tmp_path: Path) -> None:
    assert default_data_dir("campus", {"XDG_STATE_HOME": str(tmp_path)}) == tmp_path / "aid4" / "campus"
    layout = Layout(tmp_path / "new")
    layout.create()
    assert layout.root.stat().st_mode & 0o077 == 0
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be made"):
        Layout(tmp_path / "file").create()


def test_a_site_has_the_gateways_of_its_table_each_with_a_folder_of_its_own(tmp_path: Path) -> None:
    nodes = gateways(site_path("campus"))
    assert nodes == ("gw-1", "gw-2", "gw-3")
    assert gateways(site_path("office_a")) == gateways(site_path("farm")) == ("gw-1",)
    layout = Layout(tmp_path / "new")
    layout.create(nodes)
    assert sorted(path.name for path in layout.root.glob("edge*")) == ["edge", "edge-gw-2", "edge-gw-3"]
    assert len({layout.agent(node).spool for node in nodes}) == 3


@pytest.mark.parametrize("names", [("gw-1", "gw-1"), ("GW 1",), ("",)])
def test_a_gateway_without_a_legal_name_of_its_own_is_named(tmp_path: Path, names: tuple[str, ...]) -> None:
    (tmp_path / "devices.toml").write_text("".join(f'[[gateway]]\nname = "{name}"\n' for name in names))
    with pytest.raises(ConfigError, match=r"gateway\[\d\]\.name"):
        gateways(tmp_path)
