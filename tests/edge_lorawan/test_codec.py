"""Byte tables of LoRaWAN devices against published vectors, and against bytes that nobody published."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from edge.sources.lorawan_codec import Codec, CodecError, command_bytes, decode
from edge.sources.profiles import PROFILES, load_profile

NAMES = {  # of the vectors, where ours differ
    "dragino-lse01": {
        "Bat": "battery_voltage", "TempC_DS18B20": "probe_temperature", "conduct_SOIL": "soil_conductivity",
        "temp_SOIL": "soil_temperature", "water_SOIL": "soil_moisture",
    },
    "dragino-lht65": {
        "BatV": "battery_voltage", "Bat_status": "battery_status", "Hum_SHT": "humidity",
        "TempC_DS": "probe_temperature", "TempC_SHT": "air_temperature", "Ext_sensor": None,
    },
    "milesight-am107": {"illumination": "illuminance", "pm2.5": "pm2_5"},
}  # fmt: skip
FILES = {"lse01": "dragino-lse01", "lht65": "dragino-lht65", "am107": "milesight-am107", "am319": "milesight-am107"}
# from the devices' published descriptions
PUBLISHED = [
    ("milesight-wts506", "0175640367FF00046879", {"battery": 100.0, "air_temperature": 25.5, "humidity": 60.5}),
    (
        "milesight-wts506", "0584BA0406734F270792010008777B0001",
        {"wind_direction": 121.0, "pressure": 1006.3, "wind_speed": 0.1, "rain_total": 1.23},
    ),
    ("milesight-wts506", "08EC7B00000001", {"rain_total": 1.23}),
    ("milesight-uc511", "01755C03010004C805000000", {"battery": 92.0, "valve_1": "closed", "valve_1_pulses": 5.0}),
]  # fmt: skip


def codec(name: str) -> Codec:
    return load_profile(f"profiles/lorawan/{name}.toml", Path(), Codec)


def test_published_vectors_decode_to_their_values(shared_data: Path) -> None:
    vectors = json.loads((shared_data / "field/lorawan/ttn_vectors.json").read_text())["vectors"]
    checked = 0
    for vector in vectors:
        name = next(file for part, file in FILES.items() if part in vector["device"])
        raw = bytes.fromhex(vector["hex"])
        if "errors" in vector:
            with pytest.raises(CodecError):
                decode(codec(name), vector["fPort"], raw)
            continue
        found = {one.field.metric: one.value for one in decode(codec(name), vector["fPort"], raw)}
        for theirs, value in vector["decoded"].items():
            ours = NAMES[name].get(theirs, theirs)
            if ours is None:
                continue
            if theirs == "Bat_status":
                assert (value, found[ours]) == (3, "good")
            elif theirs == "activity" and value == "trigger":
                assert found["occupied"] == "trigger"
            else:
                assert found[ours] == pytest.approx(float(value), abs=1e-9)
            checked += 1
    assert checked >= 25


@pytest.mark.parametrize(("name", "text", "expected"), PUBLISHED)
def test_examples_of_the_makers_decode_to_their_values(name: str, text: str, expected: dict[str, Any]) -> None:
    found = {one.field.metric: one.value for one in decode(codec(name), 85, bytes.fromhex(text))}
    assert (
        found == pytest.approx(expected)
        if not any(isinstance(v, str) for v in expected.values())
        else found == (expected)
    )


def test_a_probe_that_is_not_there_has_no_value() -> None:
    raw = bytearray.fromhex("CBF60B0D0376010ADD7FFF")
    raw[7:9] = b"\x7f\xff"
    found = {one.field.metric: one.value for one in decode(codec("dragino-lht65"), 2, bytes(raw))}
    assert found["probe_temperature"] is None
    raw[6] = 4  # another kind of probe
    assert "probe_temperature" not in {one.field.metric for one in decode(codec("dragino-lht65"), 2, bytes(raw))}


def test_a_valve_takes_its_words_only() -> None:
    valve = codec("milesight-uc511")
    assert command_bytes(valve, "valve_1", "open") == (85, bytes.fromhex("ff1d2000"))
    assert command_bytes(valve, "valve_2", "closed") == (85, bytes.fromhex("ff1d0100"))
    for metric, word in (("valve_1", "half"), ("battery", "open")):
        with pytest.raises(CodecError):
            command_bytes(valve, metric, word)


@pytest.mark.parametrize("path", sorted((PROFILES / "profiles/lorawan").glob("*.toml")), ids=lambda path: path.stem)
def test_no_bytes_break_a_table(path: Path) -> None:
    table, chance = codec(path.stem), random.Random(7)
    starts = [bytes((one.id, one.type)) for one in table.channel] or [b""]
    refused = 0
    for _ in range(4_000):
        raw = b"".join(
            chance.choice(starts) + chance.randbytes(chance.randrange(8)) for _ in range(chance.randrange(4))
        )
        raw = chance.randbytes(chance.randrange(260)) if chance.random() < 0.3 else raw
        try:
            decode(table, chance.choice([2, 85, chance.randrange(256)]), raw)
        except CodecError:
            refused += 1
    assert refused > 1_000
