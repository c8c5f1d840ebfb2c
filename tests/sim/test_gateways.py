"""Devices hang on gateways by their own word, their kind or their protocol, and each gateway hears only its own."""

from pathlib import Path

import msgspec
import pytest

from sim_devices.park import Broker, Park
from sim_devices.site import FIRST_GATEWAY, Device, Site, _check, load_site
from wire.errors import ConfigError


def test_every_device_hangs_on_one_gateway_of_the_campus(site: Site) -> None:
    assert [one.name for one in site.gateways] == ["gw-1", "gw-2", "gw-3"]
    of = {device.name: site.gateway_of(device) for device in site.devices}
    assert of["main-meter"] == of["ahu-1"] == of["room-lobby"] == "gw-1"
    assert of["mill-1"] == of["mill-2"] == of["mill-3"] == of["charger-1"] == "gw-2"
    assert of["soil-1a"] == of["weather"] == "gw-3"


def test_a_devices_own_word_goes_before_its_kind_and_that_before_its_protocol(site: Site) -> None:
    soil = next(one for one in site.devices if one.kind == "soil-node")
    assert site.gateway_of(msgspec.structs.replace(soil, gateway="gw-2")) == "gw-2"
    assert site.gateway_of(msgspec.structs.replace(soil, protocol="opcua")) == "gw-3"
    assert site.gateway_of(msgspec.structs.replace(soil, kind="battery", protocol="opcua")) == "gw-2"
    assert site.gateway_of(msgspec.structs.replace(soil, kind="battery", protocol="modbus")) == "gw-1"


def test_a_site_that_names_no_gateway_has_one(site_dir: Path) -> None:
    farm = load_site(site_dir.parent / "farm")
    assert {farm.gateway_of(device) for device in farm.devices} == {FIRST_GATEWAY}


async def test_the_gateways_share_the_sources_out_without_rest_and_without_doubles(site_dir: Path) -> None:
    async with Park(site_dir, seed=7, speed=1e-6, broker=Broker(port=9)) as park:
        whole = park.edge_config()["source"]
        parts = {one.name: park.edge_config(one.name)["source"] for one in park.site.gateways}
    patterns = [rule["pattern"] for table in whole if table["kind"] == "mqtt" for rule in table["topic"]]
    split = [
        rule["pattern"] for part in parts.values() for one in part if one["kind"] == "mqtt" for rule in one["topic"]
    ]
    assert sorted(split) == sorted(patterns)
    others = sorted(one["name"] for one in whole if one["kind"] != "mqtt")
    assert sorted(one["name"] for part in parts.values() for one in part if one["kind"] != "mqtt") == others
    assert "drone-1" in [one["name"] for one in parts["gw-3"]]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ('[[gateway]]\nname = "gw-1"\n', "gateway[3].name"),
        ('[[gateway]]\nname = "gw-9"\nkinds = ["no-kind"]\n', "kinds"),
    ],
)
def test_a_gateway_that_cannot_be_is_named(site_dir: Path, tmp_path: Path, change: str, field: str) -> None:
    for name in ("layout.toml", "site.toml"):
        (tmp_path / name).write_text((site_dir / name).read_text())
    (tmp_path / "devices.toml").write_text((site_dir / "devices.toml").read_text() + change)
    with pytest.raises(ConfigError) as caught:
        load_site(tmp_path)
    assert field in caught.value.field


def test_a_device_on_a_gateway_that_is_not_there_is_named(site: Site) -> None:
    lost = Device(name="x", kind="battery", protocol="modbus", space="Energy yard", gateway="gw-7")
    with pytest.raises(ConfigError, match="gw-7"):
        _check(msgspec.structs.replace(site, devices=(lost,)), "devices.toml")
