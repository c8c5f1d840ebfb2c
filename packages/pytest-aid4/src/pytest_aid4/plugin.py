"""Fixtures and options; nothing of AID4 is imported, only its command is started."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import pytest

from pytest_aid4.agent import Agent
from pytest_aid4.device import Device
from pytest_aid4.park import Park
from pytest_aid4.running import Command

__all__ = ["aid4_agent", "aid4_device", "aid4_park", "pytest_addoption"]

_OPTIONS = {
    "command": ("", "the aid4 command; default: that of the PATH"),
    "site": ("campus", "the park's site: a folder, or the name of one that comes with AID4"),
    "seed": ("7", "one seed, one park"),
    "speed": ("1", "simulated seconds a second"),
    "scenario": ("", "faults to plant: a file, or a name of `aid4 sim scenario list`"),
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--aid4-seed` on the command line, `aid4_seed` in the ini file, and so on."""
    group = parser.getgroup("aid4", "AID4: simulated parks, agents and devices")
    for name, (default, text) in _OPTIONS.items():
        group.addoption(f"--aid4-{name}", default=None, help=f"{text} [{default or 'none'}]")
        parser.addini(f"aid4_{name}", help=text, default=default)


def _option(config: pytest.Config, name: str) -> str:
    given = config.getoption(f"--aid4-{name}")
    return str(config.getini(f"aid4_{name}") if given is None else given)


def _command(config: pytest.Config) -> Command:
    return Command(_option(config, "command"))


def _shared(config: pytest.Config) -> list[str]:
    options = ["--seed", _option(config, "seed"), "--speed", _option(config, "speed")]
    return options + (["--scenario", _option(config, "scenario")] if _option(config, "scenario") else [])


@pytest.fixture(scope="session")
def aid4_park(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Park]:
    """A whole park, one for the session: it takes seconds to start. Its options are those of the session."""
    options = ["--site", _option(pytestconfig, "site"), "--past", "0", *_shared(pytestconfig)]
    park = Park.start(_command(pytestconfig), options, tmp_path_factory.mktemp("aid4-park"))
    with park.running:
        yield park


@pytest.fixture
def aid4_device(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Device]]:
    """`aid4_device("heat-pump")` starts one device of the site and gives its address; it ends with the test."""
    site = _option(pytestconfig, "site")
    folder_of_site = ["--site", site] if "/" in site or site.startswith(".") else []
    with ExitStack() as running:

        def start(name: str) -> Device:
            options = [*folder_of_site, *_shared(pytestconfig)]
            device = Device.start(name, _command(pytestconfig), options, tmp_path_factory.mktemp("aid4-device"))
            running.enter_context(device.running)
            return device

        yield start


@pytest.fixture
def aid4_agent(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Agent]]:
    """`aid4_agent(device.source, …, broker="mqtt://…")` starts an agent that reads these sources; without a broker it
    keeps everything in its spool. It ends with the test."""
    with ExitStack() as running:

        def start(*sources: Mapping[str, Any], broker: str = "") -> Agent:
            folder = tmp_path_factory.mktemp("aid4-agent")
            agent = Agent.start(sources, _command(pytestconfig), folder, broker)
            running.enter_context(agent.running)
            return agent

        yield start
