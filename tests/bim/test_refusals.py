"""What is no readable model is refused with a reason and a fix, and the model that was there stays."""

import io
import os
import zipfile
from pathlib import Path

import pytest

from bim.errors import ModelError
from bim.limits import ModelLimits
from bim.open import load_tables, read_model
from bim.summary import MODEL_JSON
from wire.errors import UserError

SMALL = ModelLimits(wall_s=60)


@pytest.fixture
def duplex(ifc):
    return (ifc / "duplex.ifc").read_bytes()


def refused(path: Path | str, out: Path, limits: ModelLimits = SMALL) -> ModelError:
    with pytest.raises(ModelError) as caught:
        read_model(path, out, limits)
    error = caught.value
    assert isinstance(error, UserError)
    assert error.file == str(path)
    assert error.fix
    assert error.problem
    assert not (out / MODEL_JSON).exists()
    return error


def written(folder: Path, data: bytes, name: str = "model.ifc") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def zipped(folder: Path, members: dict[str, bytes]) -> Path:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return written(folder, packed.getvalue(), "model.ifczip")


def test_a_file_that_is_not_there_is_missing(tmp_path):
    assert refused(tmp_path / "none.ifc", tmp_path / "out").reason == "missing"


def test_a_folder_and_a_pipe_are_no_files(tmp_path):
    assert refused(tmp_path, tmp_path / "out").reason == "missing"
    pipe = tmp_path / "pipe.ifc"
    os.mkfifo(pipe)
    assert refused(pipe, tmp_path / "out").reason == "missing"


@pytest.mark.parametrize("address", ["https://example.org/model.ifc", "file:///etc/hostname", "ftp://host/m.ifc"])
def test_addresses_are_never_fetched(tmp_path, address):
    assert refused(address, tmp_path / "out").reason == "reference"


@pytest.mark.parametrize(
    "data",
    [b"", b"\x00" * 4096, b"PNG nothing of ours", bytes(range(256)) * 40, b"ISO-10303-21;\nHEADER;\nENDSEC;\n"],
    ids=["empty", "zeros", "text", "bytes", "no schema"],
)
def test_what_is_not_ifc_is_refused(tmp_path, data):
    assert refused(written(tmp_path, data), tmp_path / "out").reason == "not_ifc"


def test_a_step_file_of_another_trade_is_not_ifc(tmp_path, duplex):
    data = duplex.replace(b"'IFC2X3'", b"'AUTOMOTIVE_DESIGN'", 1)
    assert refused(written(tmp_path, data), tmp_path / "out").reason == "not_ifc"


@pytest.mark.parametrize("schema", ["IFC4X3_RC2", "IFC2X_FINAL", "IFC4X1", "IFC5"])
def test_an_unreadable_schema_is_named(tmp_path, duplex, schema):
    error = refused(written(tmp_path, duplex.replace(b"'IFC2X3'", f"'{schema}'".encode(), 1)), tmp_path / "out")
    assert error.reason == "schema"
    assert schema in error.problem
    assert "IFC4" in error.fix


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.9999])
def test_a_cut_file_is_truncated(tmp_path, duplex, share):
    error = refused(written(tmp_path, duplex[: int(len(duplex) * share)]), tmp_path / "out")
    assert error.reason == "truncated"


def test_a_file_whose_text_breaks_off_inside_names_the_line(ifc, tmp_path):
    error = refused(ifc / "errorfile.ifc", tmp_path / "out")
    assert error.reason == "malformed"
    assert "line 15" in error.problem


def test_a_text_that_is_never_closed_names_its_line(tmp_path, duplex):
    lines = duplex.split(b"\n")
    lines[100] = lines[100].replace(b"');", b");") if b"');" in lines[100] else lines[100] + b" '"
    error = refused(written(tmp_path, b"\n".join(lines)), tmp_path / "out")
    assert error.reason == "malformed"


def test_a_file_with_a_header_and_nothing_else_is_malformed(tmp_path):
    data = b"ISO-10303-21;\nHEADER;\nFILE_SCHEMA(('IFC4'));\nENDSEC;\nDATA;\nENDSEC;\nEND-ISO-10303-21;\n"
    assert refused(written(tmp_path, data), tmp_path / "out").reason == "malformed"


def test_a_file_beyond_the_bound_is_too_big(tmp_path, duplex):
    assert refused(written(tmp_path, duplex), tmp_path / "out", ModelLimits(file_bytes=1000)).reason == "too_big"


def test_a_model_of_too_many_elements_is_too_big(tmp_path, duplex):
    error = refused(written(tmp_path, duplex), tmp_path / "out", ModelLimits(elements=100))
    assert error.reason == "too_big"
    assert "296 elements" in error.problem


def test_a_model_of_too_many_properties_is_too_big(tmp_path, duplex):
    assert refused(written(tmp_path, duplex), tmp_path / "out", ModelLimits(property_rows=500)).reason == "too_big"


def test_an_ifczip_is_read(tmp_path, duplex):
    summary = read_model(zipped(tmp_path, {"duplex.ifc": duplex}), tmp_path / "out")
    assert summary.counts.spaces == 21
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "elements.arrow",
        "model.json",
        "psets.arrow",
        "relations.arrow",
    ]


def test_a_zip_bomb_is_stopped_while_it_unpacks(tmp_path):
    bomb = zipped(tmp_path, {"model.ifc": b"\x00" * (300 << 20)})
    assert bomb.stat().st_size < 400_000
    assert refused(bomb, tmp_path / "out").reason == "bomb"


def test_an_archive_that_points_out_of_itself_is_refused(tmp_path, duplex):
    assert refused(zipped(tmp_path, {"../../model.ifc": duplex}), tmp_path / "out").reason == "reference"
    assert refused(zipped(tmp_path, {"/etc/model.ifc": duplex}), tmp_path / "out").reason == "reference"


def test_an_archive_needs_exactly_one_model(tmp_path, duplex):
    assert refused(zipped(tmp_path, {"readme.txt": b"x"}), tmp_path / "out").reason == "not_ifc"
    assert refused(zipped(tmp_path, {"a.ifc": duplex, "b.ifc": duplex}), tmp_path / "out").reason == "not_ifc"


def test_a_damaged_archive_is_malformed(tmp_path, duplex):
    data = bytearray(zipped(tmp_path, {"a.ifc": duplex}).read_bytes())
    data[len(data) // 2] ^= 0xFF
    assert refused(written(tmp_path, bytes(data), "bad.ifczip"), tmp_path / "out").reason == "malformed"


def test_the_model_that_was_there_stays_when_the_next_one_is_refused(ifc, tmp_path):
    read_model(ifc / "duplex.ifc", tmp_path / "out")
    with pytest.raises(ModelError):
        read_model(ifc / "errorfile.ifc", tmp_path / "out")
    assert load_tables(tmp_path / "out")["elements"].num_rows == 296
    assert not list((tmp_path / "out").glob(".reading-*"))


def test_an_addendum_is_read_as_the_schema_it_amends(tmp_path):
    text = (
        "ISO-10303-21;HEADER;FILE_DESCRIPTION((''),'2;1');FILE_NAME('','',(''),(''),'','','');"
        "FILE_SCHEMA(('IFC4X3'));ENDSEC;DATA;#1=IFCPROJECT('0jt2rJc6z1fwZdQThQPodh',$,'P',$,$,$,$,$,$);ENDSEC;"
        "END-ISO-10303-21;"
    )
    summary = read_model(written(tmp_path, text.encode()), tmp_path / "out")
    assert summary.schema == "IFC4X3"
    assert any("is read as IFC4X3_ADD2" in warning for warning in summary.warnings)


def test_references_to_the_outside_are_counted_and_not_followed(ifc, read):
    warnings = read(ifc / "Ifc4_SampleHouse.ifc").summary.warnings
    assert warnings == ["7 references to files or addresses outside the model are not followed"]


def test_an_instance_that_cannot_be_read_is_told(tmp_path, duplex):
    data = duplex.replace(b"IFCFURNISHINGELEMENT(", b"IFCFLYINGCARPET(", 1)
    summary = read_model(written(tmp_path, data), tmp_path / "out")
    assert any("IFCFLYINGCARPET" in warning.upper() or "cannot be read" in warning for warning in summary.warnings)


def test_an_element_whose_id_is_taken_is_lost_by_name(tmp_path, duplex):
    first, second = [line.split(b"'")[1] for line in duplex.split(b"\n") if b"=IFCSPACE(" in line][:2]
    summary = read_model(written(tmp_path, duplex.replace(b"'" + second + b"'", b"'" + first + b"'")), tmp_path / "out")
    assert [one.global_id for one in summary.lost] == [first.decode()]
    assert summary.counts.spaces == 20
