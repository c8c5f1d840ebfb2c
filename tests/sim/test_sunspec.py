"""The inverter is found and read by SunSpec's own client, which knows nothing of our register map."""

import asyncio
from pathlib import Path

import pytest
from sunspec2.modbus.client import SunSpecModbusClientDeviceTCP

from sim_devices.park import Park
from sim_devices.servers.modbus import ModbusServer

NOON_US = 6 * 3_600_000_000


def _scan(port: int) -> dict[str, float]:
    device = SunSpecModbusClientDeviceTCP(slave_id=1, ipaddr="127.0.0.1", ipport=port, timeout=2.0)
    try:
        device.scan()
        common, inverter = device.models[1][0], device.models[103][0]
        assert sorted(key for key in device.models if isinstance(key, int)) == [1, 103]
        assert (common.Mn.value, common.SN.value) == ("AID4", "pv-inverter")
        names = ("W", "PhVphA", "AphA", "A", "Hz", "WH", "DCV", "DCA", "DCW", "TmpCab", "PF", "PPVphAB", "St")
        return {name: getattr(inverter, name).cvalue for name in names}
    finally:
        device.close()


async def test_discovery_finds_both_models_and_scale_factors_give_the_physics(site_dir: Path, start_us: int) -> None:
    async with Park(site_dir, seed=7, speed=1e-6, start_us=start_us + NOON_US, only=["pv-inverter"]) as park:
        server = next(server for server in park.servers if server.device.name == "pv-inverter")
        assert isinstance(server, ModbusServer)
        read = await asyncio.to_thread(_scan, server.port)
        truth = {key.partition("/")[2]: value for key, value in park.campus.values().items()
                 if key.startswith("pv-inverter/")}  # fmt: skip
    assert truth["ac_power"] > 1.0  # type: ignore[operator]
    assert read["W"] == pytest.approx(1000 * truth["ac_power"], abs=5.1)  # type: ignore[operator]
    assert read["DCW"] == pytest.approx(1000 * truth["dc_power"], abs=5.1)  # type: ignore[operator]
    assert read["PhVphA"] == pytest.approx(truth["ac_voltage"], abs=0.051)
    assert read["AphA"] == pytest.approx(truth["ac_current"], abs=0.0051)
    assert read["A"] == pytest.approx(3 * truth["ac_current"], abs=0.0051)  # type: ignore[operator]
    assert read["PPVphAB"] == pytest.approx(1.732 * truth["ac_voltage"], abs=0.2)  # type: ignore[operator]
    assert read["Hz"] == pytest.approx(truth["ac_frequency"], abs=0.0051)
    assert read["WH"] == pytest.approx(1000 * truth["energy_total"], abs=0.51)  # type: ignore[operator]
    assert read["DCV"] == pytest.approx(truth["dc_voltage"], abs=0.051)
    assert read["DCA"] == pytest.approx(truth["dc_current"], abs=0.0051)
    assert read["TmpCab"] == pytest.approx(truth["cabinet_temperature"], abs=0.051)
    assert read["St"] in (4, 5)
    assert read["PF"] == pytest.approx(100.0)
