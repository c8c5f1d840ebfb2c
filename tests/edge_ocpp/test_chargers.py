"""Chargers of all versions against the central system: what they measure, what happens, what they are told."""

import asyncio
import tomllib

import pytest

from edge.sources import SourceError, load_kind
from wire.quality import HISTORICAL, STALE

VERSIONS = ["1.6", "2.0.1", "2.1"]


def test_the_sample_of_the_docstring_is_a_config():
    import msgspec

    from edge.sources import ocpp

    table = tomllib.loads((ocpp.__doc__ or "").split("\n\n")[1])["source"][0]
    config = msgspec.convert(table, load_kind("ocpp").config)
    assert config.chargers[0].device == "charger-1"
    assert config.heartbeat_s == 60


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_session_is_told_whole_and_a_limit_is_followed(open_yard, version):
    """Meter values, states, transaction events, a smart-charging profile, remote stop: with the library's charger."""
    async with open_yard() as yard:
        bay, reader = await yard.add("charger-1", version), yard.reader
        await reader.until(lambda: reader.value("charger-1/connector_state") == "Available")
        await bay.show(connector_state="Preparing")
        await bay.show(connector_state="Charging", power=11.04, current=15.9, session_energy=0.0, vehicle_soc=40.0)
        await reader.until(lambda: "transaction_started" in reader.kinds())
        await reader.until(lambda: reader.value("charger-1/current_limit") == 32.0)
        await asyncio.sleep(0.25)
        await bay.show(session_energy=2.5, vehicle_soc=44.0)
        await reader.until(lambda: reader.value("charger-1/session_energy") == pytest.approx(2.5, abs=0.002))
        assert reader.value("charger-1/power") == pytest.approx(11.04, abs=0.001)
        assert reader.value("charger-1/current") == pytest.approx(15.9)
        assert reader.value("charger-1/connector_state") == "Charging"
        assert reader.value("charger-1/vehicle_soc") == 44.0
        assert reader.point("charger-1/power").unit == "kW"
        await reader.source.write(reader.point("charger-1/current_limit"), 16.0)
        assert bay.obeyed[-1] == ("current_limit", 16.0)
        await reader.until(lambda: reader.value("charger-1/current_limit") == 16.0)
        await reader.source.write(reader.point("charger-1/command"), "stop")
        assert bay.obeyed[-1] == ("stop", None)
        await bay.show(connector_state="Finishing", power=0.0)
        await reader.until(lambda: "transaction_ended" in reader.kinds())
        ended = reader.events[reader.kinds().index("transaction_ended")]
        assert '"energy_kwh":2.5' in ended["detail"]
        assert reader.kinds().count("transaction_started") == 1
        await reader.source.write(reader.point("charger-1/command"), "inoperative")
        await reader.until(lambda: reader.value("charger-1/connector_state") == "Unavailable")
        await reader.source.write(reader.point("charger-1/command"), "reset")
        await reader.until(lambda: reader.kinds().count("charger_boot") == 2)
        assert not reader.source.health.errors.get("schema"), reader.source.health.why


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_charger_that_was_away_tells_what_happened_with_its_own_times_and_once(open_yard, version, monkeypatch):
    """Points go stale at the loss; the session that began and ended meanwhile arrives after the reconnect."""
    async with open_yard() as yard:
        bay, reader = await yard.add("charger-1", version), yard.reader
        await reader.until(lambda: reader.value("charger-1/power") == 0.0)
        await bay.charger.cut()
        await reader.until(lambda: reader.quality("charger-1/power") == STALE)
        assert "charger_lost" in reader.kinds()
        monkeypatch.setattr("edge.sources.ocpp_charger.PAST_US", 0)  # whatever is told from here on is a backlog
        await bay.show(connector_state="Charging", power=7.0)
        await asyncio.sleep(0.3)
        await bay.show(session_energy=1.0)
        await asyncio.sleep(0.3)
        await bay.show(connector_state="Finishing", session_energy=1.2, power=0.0)
        async with asyncio.TaskGroup() as tasks:
            await bay.charger.start(tasks)
            await reader.until(lambda: "transaction_ended" in reader.kinds())
            await reader.until(lambda: 7.0 in reader.values("charger-1/power"))
            kinds = reader.kinds()
            assert kinds.count("transaction_started") == kinds.count("transaction_ended") == 1
            started = reader.events[kinds.index("transaction_started")]
            assert started["ts"] < reader.events[kinds.index("charger_connected", 2)]["ts"]
            told = [
                (ts, quality) for key, ts, value, quality in reader.rows if key == "charger-1/power" and value == 7.0
            ]
            assert len(told) == len(set(told))
            assert all(quality == HISTORICAL for _, quality in told)
            await bay.charger.close()


async def test_a_charger_is_not_answered_before_its_values_are_on_disk(open_yard, asking):
    """A full disk is an error that makes it come again; a repeated call is told once and answered alike."""
    start = {"connectorId": 1, "idTag": "04A2B9C1D0", "meterStart": 1000, "timestamp": "2026-11-23T10:00:00Z"}
    async with open_yard() as yard, yard.bare("cp-1") as link:
        reader = yard.reader
        reader.refuse = True
        assert (await asking(link, "StartTransaction", start))[0] == 4
        reader.refuse = False
        first = await asking(link, "StartTransaction", start, "2")
        again = await asking(link, "StartTransaction", start, "3")
        assert first[0] == 3
        assert first[2] == again[2]
        assert first[2]["idTagInfo"]["status"] == "Accepted"
        assert reader.kinds().count("transaction_started") == 2  # the refused attempt and the one that stands
        assert "04A2B9C1D0" not in str(reader.events)


async def test_what_a_charger_refuses_is_an_error_of_the_command(open_yard):
    async with open_yard() as yard:
        bay, reader = await yard.add("charger-1", "1.6"), yard.reader
        await reader.until(lambda: reader.value("charger-1/connector_state"))
        with pytest.raises(SourceError, match="no transaction runs"):
            await reader.source.write(reader.point("charger-1/command"), "stop")
        with pytest.raises(SourceError, match="takes start, stop"):
            await reader.source.write(reader.point("charger-1/command"), "explode")
        with pytest.raises(SourceError, match="outside"):
            await reader.source.write(reader.point("charger-1/current_limit"), 5_000.0)
        await bay.charger.cut()
        await reader.until(lambda: "charger_lost" in reader.kinds())
        with pytest.raises(SourceError, match="not connected"):
            await reader.source.write(reader.point("charger-1/current_limit"), 10.0)
