"""A fault changes its channel in its interval and nothing else, and its label says so."""

import asyncio
import json
from pathlib import Path

import pytest

from sim_devices.campus import Campus
from sim_devices.faults import Fault, Faults, Scenario, load_scenario
from sim_devices.park import Park
from sim_devices.readouts import Value
from sim_devices.servers.modbus import ModbusServer
from sim_devices.site import Site
from wire.errors import ConfigError

SCENARIOS = sorted((Path(__file__).resolve().parents[2] / "configs" / "scenarios").rglob("*.toml"))
KEY = "room-lab/temperature"


def _play(site: Site, start_us: int, scenario: Scenario, seconds: int) -> list[tuple[dict[str, Value], dict]]:  # type: ignore[type-arg]
    """The true and the shown values second by second, the first at one second after the start."""
    campus, faults, rows = Campus(site, 7, start_us), Faults(scenario, start_us), []
    for _ in range(seconds):
        campus.step(1.0)
        rows.append((dict(campus.values()), faults.shown(campus.values(), campus.now_us)))
    return rows


@pytest.mark.parametrize("what", ["stuck", "drift", "spike", "gap"])
def test_a_fault_changes_only_its_channel_and_only_in_its_interval(site: Site, start_us: int, what: str) -> None:
    fault = Fault(what, "room-lab", 10, 40, "temperature", rate_h=60.0, amount=9.0, every_s=10.0, width_s=2.0)  # type: ignore[arg-type]
    rows = _play(site, start_us, Scenario("one", (fault,)), 60)
    for second, (true, shown) in enumerate(rows, start=1):
        differing = {key for key in true if shown[key] != true[key]}
        assert differing <= ({KEY} if 10 <= second < 40 else set()), second
    differing_s = [second for second, (true, shown) in enumerate(rows, start=1) if shown[KEY] != true[KEY]]
    assert min(differing_s) in (10, 11)
    if what != "spike":
        assert max(differing_s) == 39


def test_each_kind_of_fault_looks_like_its_name(site: Site, start_us: int) -> None:
    def shown(what: str, **more: float) -> list[Value | None]:
        fault = Fault(what, "room-lab", 10, 40, "temperature", **more)  # type: ignore[arg-type]
        return [row[1][KEY] for row in _play(site, start_us, Scenario("one", (fault,)), 45)]

    true = [row[0][KEY] for row in _play(site, start_us, Scenario("none"), 45)]
    assert len(set(shown("stuck")[9:39])) == 1
    assert shown("gap")[9:39] == [None] * 30
    drift = shown("drift", rate_h=3600.0)
    assert [a - b for a, b in zip(drift[9:39], true[9:39], strict=True)] == pytest.approx(list(range(30)))  # type: ignore[operator]
    spike = shown("spike", amount=5.0, every_s=10.0, width_s=1.0)
    assert sum(a != b for a, b in zip(spike, true, strict=True)) == 3


def test_the_park_itself_does_not_feel_a_fault(site: Site, start_us: int) -> None:
    fault = Fault("stuck", "room-lab", 0, 60, "temperature")
    faulty = [row[0] for row in _play(site, start_us, Scenario("one", (fault,)), 30)]
    assert faulty == [row[0] for row in _play(site, start_us, Scenario("none"), 30)]


def test_labels_say_what_where_from_and_to(tmp_path: Path, start_us: int) -> None:
    faults = Faults(
        Scenario("t", (Fault("gap", "room-lab", 60, 90.5, "co2"), Fault("link-cut", "ahu-1", 0, 5))), start_us
    )
    faults.write_labels(tmp_path / "labels.json", seed=7)
    document = json.loads((tmp_path / "labels.json").read_text())
    assert document["seed"] == 7
    assert document["labels"] == [
        {"what": "gap", "device": "room-lab", "metric": "co2",
         "from": "2026-06-10T04:01:00.000Z", "to": "2026-06-10T04:01:30.500Z"},
        {"what": "link-cut", "device": "ahu-1", "metric": None,
         "from": "2026-06-10T04:00:00.000Z", "to": "2026-06-10T04:00:05.000Z"},
    ]  # fmt: skip


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_every_scenario_that_we_ship_fits_the_campus(path: Path, site: Site) -> None:
    assert load_scenario(path, site).faults


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ('[[fault]]\nwhat = "melt"\ndevice = "room-lab"\nfrom_s = 0\nto_s = 1', "fault"),
        ('[[fault]]\nwhat = "gap"\ndevice = "room-lab"\nmetric = "colour"\nfrom_s = 0\nto_s = 1', "fault[0].metric"),
        ('[[fault]]\nwhat = "link-cut"\ndevice = "nobody"\nfrom_s = 0\nto_s = 1', "fault[0].device"),
        ('[[fault]]\nwhat = "gap"\ndevice = "room-lab"\nmetric = "co2"\nfrom_s = 9\nto_s = 1', "fault[0].to_s"),
    ],
)
def test_a_wrong_scenario_names_its_field(tmp_path: Path, site: Site, text: str, field: str) -> None:
    (tmp_path / "s.toml").write_text(f'title = "t"\n{text}\n')
    with pytest.raises(ConfigError) as caught:
        load_scenario(tmp_path / "s.toml", site)
    assert caught.value.field.startswith(field)


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


async def test_a_link_cut_takes_one_device_off_the_net_and_gives_it_back(site_dir: Path, start_us: int) -> None:
    scenario = Scenario("cut", (Fault("link-cut", "ahu-1", 10, 40),))
    async with Park(site_dir, 7, speed=20.0, start_us=start_us, scenario=scenario, only=["ahu-1", "heat-pump"]) as park:
        ahu, pump = park.servers
        assert isinstance(ahu, ModbusServer)
        async with asyncio.timeout(20):
            while await _answers(ahu.port):
                await asyncio.sleep(0.05)
            assert 10.0 <= (park.campus.now_us - start_us) / 1e6 < 40.0
            assert await _answers(pump.port)
            while not await _answers(ahu.port):
                await asyncio.sleep(0.05)
        assert (park.campus.now_us - start_us) / 1e6 >= 40.0
