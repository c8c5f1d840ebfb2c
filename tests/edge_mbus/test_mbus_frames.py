"""M-Bus frames: recorded telegrams against what libmbus decodes them to, and broken ones, which are all refused."""

import random
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from edge.sources.mbus_frame import Header, LongFrame, MbusError, decode_frame
from edge.sources.mbus_records import Answer, Record, decode_answer
from edge.sources.mbus_vif import meaning
from wire.units import canonical

NO_RECORD = {"Manufacturer specific", "More records follow"}
FUNCTIONS = {
    "Instantaneous value": "now",
    "Actual value": "now",
    "Maximum value": "max",
    "Minimum value": "min",
    "Value during error state": "error",
}
UNITS = {"Wh": "W.h", "m^3": "m3", "W": "W", "°C": "Cel", "m^3/h": "m3/h", "s": "s", "V": "V", "A": "A", "K": "K"}
OWN_SCALE = {"l": 0.001, "kWh": 1_000.0, "reserved but historic": 0.001}  # of fixed answers, which libmbus leaves raw
NO_VALUE = {"2000-00-00", "1900-01-00T00:00:00Z"}  # dates that are none
LETTERS = {"ELS_Elster-F96-Plus": 2, "abb_f95": 2}  # BCD with letters, which libmbus counts as digits


def telegram(path: Path) -> Answer:
    return decode_answer(decode_frame(bytes.fromhex(path.read_text().strip())))


def recorded(shared_data: Path) -> list[Path]:
    return sorted((shared_data / "field" / "mbus" / "test-frames").glob("*.hex"))


def same(record: Record, xml: ET.Element) -> bool:
    told, unit = (xml.findtext("Value") or "").strip(), xml.findtext("Unit") or ""
    if record.value is None:
        return not told or told in NO_VALUE
    if isinstance(record.value, str):
        return told.rstrip("Z") == record.value.strip() or told.replace(" ", "").lower() == record.value.lower()
    if not told:  # libmbus knows no meaning for the code
        return record.meaning.quantity.startswith("unknown")
    number = float(told) * OWN_SCALE.get(unit, 1.0)
    return abs(number - record.value) <= 1e-6 * max(1.0, abs(number))


def test_every_recorded_telegram_decodes_to_the_values_of_libmbus(shared_data: Path) -> None:
    files, compared, letters = recorded(shared_data), 0, dict[str, int]()
    for path in files:
        answer = telegram(path)
        oracle = path.with_suffix(".norm.xml")
        if not oracle.exists():
            continue
        root = ET.fromstring(oracle.read_bytes())
        assert (root.findtext("SlaveInformation/Id") or "").zfill(8).upper() == answer.header.id, path.name
        if not answer.header.is_fixed:
            assert root.findtext("SlaveInformation/Manufacturer") == answer.header.manufacturer, path.name
        expected = [one for one in root.findall("DataRecord") if one.findtext("Function") not in NO_RECORD]
        assert len(expected) == len(answer.records), path.name
        for record, xml in zip(answer.records, expected, strict=True):
            assert FUNCTIONS[xml.findtext("Function") or "Actual value"] == record.function, (path.name, record)
            if not answer.header.is_fixed:
                assert int(xml.findtext("StorageNumber") or 0) == record.storage, (path.name, record)
            assert int(xml.findtext("Tariff") or 0) == record.tariff, (path.name, record)
            if unit := UNITS.get(xml.findtext("Unit") or ""):
                assert record.meaning.unit == unit, (path.name, record)
            if record.value is None and path.stem in LETTERS and xml.findtext("Quantity") in {"Power", "Volume flow"}:
                letters[path.stem] = letters.get(path.stem, 0) + 1
                continue
            assert same(record, xml), (path.name, record, xml.findtext("Value"))
            compared += 1
    assert len(files) == 73
    assert compared > 800
    assert letters == LETTERS


def test_the_telegram_that_libmbus_has_no_oracle_for_is_read_too(shared_data: Path) -> None:
    answer = telegram(shared_data / "field/mbus/test-frames/wmbus-converted.hex")
    assert (answer.header.manufacturer, answer.header.medium) == ("KAM", "electricity")
    assert answer.records[0].value == 5_000.0


def test_every_unit_of_the_tables_is_one_that_the_twin_knows() -> None:
    found = {meaning(code).unit for code in range(128)}
    found |= {meaning(main, code).unit for main in (0xFD, 0xFB) for code in range(128)}
    assert {canonical(unit) for unit in found} == found


# -- broken frames, made as libmbus' twenty error frames are: the fault in content, link layer intact around it


def framed(body: bytes, ci: int = 0x72, control: int = 0x08) -> bytes:
    content = bytes((control, 1, ci)) + body
    return bytes((0x68, len(content), len(content), 0x68)) + content + bytes((sum(content) & 0xFF, 0x16))


HEADER = bytes.fromhex("785634122404 01 04 01 00 0000")
GOOD = HEADER + bytes.fromhex("04 13 10270000")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (HEADER + bytes.fromhex("04 13 1027"), "within data"),
        (HEADER + bytes.fromhex("04 13"), "within data"),
        (HEADER + bytes.fromhex("84"), "within DIFE"),
        (HEADER + bytes.fromhex("84 80 80"), "within DIFE"),
        (HEADER + bytes.fromhex("04"), "within VIF"),
        (HEADER + bytes.fromhex("04 93"), "within VIFE"),
        (HEADER + bytes.fromhex("04 7C 13 4142"), "within a unit"),
        (HEADER + bytes.fromhex("04 FC F3 414243"), "within a unit"),
        (HEADER + bytes.fromhex("0D 78"), "length of data"),
        (HEADER + bytes.fromhex("0D 78 0A 313233"), "within a text"),
        (HEADER + bytes.fromhex("0D 78 FF 00"), "reserved"),
        (HEADER + b"\x84" + b"\x80" * 11 + bytes.fromhex("13 10270000"), "more than 10 DIFEs"),
        (HEADER + b"\x04\x93" + b"\x80" * 11 + bytes.fromhex("10270000"), "more than 10 VIFEs"),
        (HEADER + bytes.fromhex("3F 13 00"), "reserved"),
        (HEADER[:5], "a header of 5 bytes"),
        (GOOD[:10] + b"\x00\x05" + GOOD[12:], "encrypted"),
    ],
)
def test_a_frame_whose_records_are_not_whole_is_refused_and_says_where(body: bytes, why: str) -> None:
    with pytest.raises(MbusError, match=why):
        decode_answer(decode_frame(framed(body)))


@pytest.mark.parametrize("code", [0, 1, 2, 3, 4, 5, 6, 8, 9, 77])
def test_an_error_that_the_meter_reports_is_no_answer(code: int) -> None:
    with pytest.raises(MbusError, match="the meter refuses"):
        decode_answer(decode_frame(framed(bytes((code,)), ci=0x70)))


def test_a_frame_is_refused_for_each_byte_of_its_link_layer_that_is_wrong() -> None:
    good = framed(GOOD)
    assert decode_answer(decode_frame(good)).records[0].value == 10.0
    for at in range(len(good)):
        for flip in (0x01, 0x80):
            with pytest.raises(MbusError):
                decode_frame(good[:at] + bytes((good[at] ^ flip,)) + good[at + 1 :])
    for cut in range(len(good)):
        with pytest.raises(MbusError):
            decode_frame(good[:cut])
    with pytest.raises(MbusError):
        decode_frame(good + b"\x16")


def test_no_truncation_of_a_real_telegram_decodes_unless_a_record_ends_there(shared_data: Path) -> None:
    """Cut the content anywhere and frame it anew: what is taken must be the first records of the whole telegram."""
    taken = refused = 0
    for path in recorded(shared_data)[::6]:
        frame = decode_frame(bytes.fromhex(path.read_text().strip()))
        whole = decode_answer(frame)
        for cut in range(len(frame.body)):
            try:
                part = decode_answer(frame._replace(body=frame.body[:cut]))
            except MbusError:
                refused += 1
                continue
            taken += 1
            assert part.records == whole.records[: len(part.records)], (path.name, cut)
    assert refused > 2 * taken


def test_random_content_is_refused_or_decoded_and_never_anything_else() -> None:
    random_bytes, decoded = random.Random(11), 0
    for _ in range(20_000):
        size = random_bytes.randrange(0, 60)
        body = random_bytes.choice((HEADER, b"")) + random_bytes.randbytes(size)
        ci = random_bytes.choice((0x72, 0x72, 0x73, random_bytes.randrange(256)))
        try:
            answer = decode_answer(LongFrame(0x08, 1, ci, body))
        except MbusError:
            continue
        decoded += 1
        assert isinstance(answer.header, Header)
        assert all(isinstance(one.value, float | str | None) for one in answer.records)
    assert decoded > 100
