"""BCF from other tools: real files of a real building, files of another writer, and files that want to do harm."""

import html
import random
import re
import warnings
import zipfile
from pathlib import Path

import pytest
from bcf.v2.bcfxml import BcfXml as BcfXml2
from bcf.v3.bcfxml import BcfXml as BcfXml3

from bim.bcf.read import read_bcf
from wire.errors import InputError

MARKUP = b"""<?xml version="1.0" encoding="UTF-8"?>
<Markup><Topic Guid="7a64b763-01d2-4364-9c2c-d452dc95ef54" TopicType="Clash" TopicStatus="Open"><Title>T</Title>
<CreationDate>2026-01-01T00:00:00Z</CreationDate><CreationAuthor>a</CreationAuthor></Topic>%s
<Viewpoints Guid="v1"><Viewpoint>view.bcfv</Viewpoint><Snapshot>s.png</Snapshot></Viewpoints></Markup>"""
VIEW = b"""<VisualizationInfo Guid="v1"><Components>%s</Components><PerspectiveCamera>
<CameraViewPoint><X>1</X><Y>2</Y><Z>3</Z></CameraViewPoint><CameraDirection><X>0</X><Y>1</Y><Z>0</Z></CameraDirection>
<CameraUpVector><X>0</X><Y>0</Y><Z>1</Z></CameraUpVector><FieldOfView>45</FieldOfView></PerspectiveCamera>
</VisualizationInfo>"""


def packed(path: Path, members: dict[str, bytes], version: str | None = "2.1") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        if version is not None:
            archive.writestr("bcf.version", f'<Version VersionId="{version}"/>')
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def plain(path: Path, view: bytes = b"", comment: bytes = b"", version: str | None = "2.1") -> Path:
    return packed(path, {"t/markup.bcf": MARKUP % comment, "t/view.bcfv": VIEW % view, "t/s.png": b"\x89PNG"}, version)


@pytest.mark.parametrize("name", ["Controle_Multicom_01-04-2015.bcfzip", "Controle_Ytong_01-04-2015.bcfzip"])
def test_real_issues_of_a_real_building_are_read(schependomlaan, name):
    path = schependomlaan / "bcf" / name
    found = read_bcf(path)
    assert found.version == "1.0"
    with zipfile.ZipFile(path) as archive:
        markups = {n.split("/")[0]: archive.read(n).decode("utf-8-sig") for n in archive.namelist() if "markup" in n}
        views = {n.split("/")[0]: archive.read(n).decode("utf-8-sig") for n in archive.namelist() if ".bcfv" in n}
    assert [topic.guid for topic in found.topics] == list(markups)
    for topic in found.topics:
        text, view = markups[topic.guid], views[topic.guid]
        assert [one.text for one in topic.comments] == re.findall(r"<Comment>([^<]*)</Comment>", html.unescape(text))
        assert {one.author for one in topic.comments} == set(re.findall(r"<Author>([^<]*)<", text))
        assert [one.name for one in topic.files] == re.findall(r"<Filename>([^<]*)<", text)
        (shown,) = topic.viewpoints
        numbers = [float(one) for one in re.findall(r"<[XYZ]>([^<]*)<", view.split("<CameraViewPoint>")[1])]
        assert shown.camera.position == tuple(numbers[:3])
        assert shown.camera.direction == tuple(numbers[3:6])
        assert shown.elements == re.findall(r'IfcGuid="([^"]+)"', view)
        assert shown.lines == view.count("<Line>")
        assert shown.snapshot == f"{topic.guid}/snapshot.png"


@pytest.mark.parametrize("library", [BcfXml2, BcfXml3])
def test_files_of_another_writer_are_read(schependomlaan, tmp_path, library):
    import ifcopenshell

    model = ifcopenshell.open(schependomlaan / "sub_floor1_GEELEN.ifc")
    slab = next(one for one in model.by_type("IfcElement") if one.ObjectPlacement)
    bcf = library.create_new("Another tool")
    topic = bcf.add_topic("A title", "A description", "somebody", "Clash", "Open")
    view = topic.add_viewpoint(slab)
    path = tmp_path / "other.bcf"
    bcf.save(path)
    found = read_bcf(path)
    assert found.version == ("2.1" if library is BcfXml2 else "3.0")
    (read,) = found.topics
    assert (read.title, read.description, read.author, read.type, read.status) == (
        "A title", "A description", "somebody", "Clash", "Open",
    )  # fmt: skip
    camera = view.visualization_info.perspective_camera
    at = camera.camera_view_point
    assert read.viewpoints[0].camera.position == (at.x, at.y, at.z)
    assert read.viewpoints[0].elements == [slab.GlobalId]


def test_components_of_2_0_say_what_is_selected_hidden_and_coloured(tmp_path):
    view = (
        b'<Component IfcGuid="A" Selected="true" Visible="true" Color="FFFF0000"/>'
        b'<Component IfcGuid="B" Selected="false" Visible="false"/>'
    )
    (topic,) = read_bcf(plain(tmp_path / "x.bcf", view, version="2.0")).topics
    shown = topic.viewpoints[0]
    assert (shown.elements, shown.exceptions, shown.visible_by_default) == (["A"], ["B"], True)
    assert [(one.color, one.elements) for one in shown.coloring] == [("FFFF0000", ["A"])]
    assert shown.camera.field_of_view_deg == 45
    assert shown.snapshot == "t/s.png"


def test_a_status_in_a_comment_is_the_topics_where_it_has_none(tmp_path):
    markup = MARKUP.replace(b' TopicStatus="Open"', b"") % b"<Comment><Status>Warning</Status></Comment>"
    (topic,) = read_bcf(packed(tmp_path / "x.bcf", {"t/markup.bcf": markup})).topics
    assert topic.status == "Warning"


def refused(path: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        read_bcf(path)
    assert caught.value.file == str(path)
    assert caught.value.fix
    return caught.value


def outcome(path: Path) -> InputError | None:
    """What reading it comes to; any other exception fails the test."""
    try:
        read_bcf(path)
    except InputError as error:
        return error
    return None


@pytest.mark.parametrize("name", ["../markup.bcf", "/etc/markup.bcf", "a/../../markup.bcf", "C:/t/markup.bcf", "..\\x"])
def test_members_that_point_out_of_the_archive_are_refused(tmp_path, name):
    assert "points out" in refused(packed(tmp_path / "x.bcf", {name: MARKUP % b""})).problem


def test_a_bomb_is_stopped_while_it_unpacks(tmp_path):
    path = packed(tmp_path / "x.bcf", {"t/markup.bcf": b"<Markup>" + b" " * (300 << 20) + b"</Markup>"})
    assert path.stat().st_size < 400_000
    assert "unpacks to more than" in refused(path).problem


def test_a_member_that_lies_about_its_size_is_refused(tmp_path):
    data = bytearray(plain(tmp_path / "x.bcf").read_bytes())
    where = data.rindex(b"PK\x01\x02")
    data[where + 24 : where + 28] = (5).to_bytes(4, "little")
    (tmp_path / "y.bcf").write_bytes(data)
    error = outcome(tmp_path / "y.bcf")
    assert error is None or error.fix


@pytest.mark.parametrize(
    "head",
    [
        b'<!DOCTYPE m [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>',
        b'<!DOCTYPE m [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        b'<!DOCTYPE m SYSTEM "http://127.0.0.1:1/x.dtd">',
    ],
    ids=["laughs", "file", "address"],
)
def test_entities_and_document_types_are_refused(tmp_path, head):
    data = (MARKUP % b"").replace(b"?>\n", b"?>" + head, 1)
    assert "entities" in refused(packed(tmp_path / "x.bcf", {"t/markup.bcf": data})).problem


def test_xml_that_nests_without_end_is_refused(tmp_path):
    deep = b"<Markup>" + b"<a>" * 5000 + b"</a>" * 5000 + b"</Markup>"
    assert "nest deeper" in refused(packed(tmp_path / "x.bcf", {"t/markup.bcf": deep})).problem


def test_what_is_no_bcf_is_refused(tmp_path):
    (tmp_path / "text.bcf").write_bytes(b"PK nothing")
    assert "no zip" in refused(tmp_path / "text.bcf").problem
    assert "no topic" in refused(packed(tmp_path / "empty.bcf", {"readme.txt": b"x"})).problem
    assert "9.9" in refused(plain(tmp_path / "new.bcf", version="9.9")).problem
    assert refused(tmp_path / "missing.bcf").problem
    assert refused(tmp_path).problem


def test_a_member_that_stands_twice_is_refused(tmp_path):
    path = tmp_path / "x.bcf"
    with zipfile.ZipFile(path, "w") as archive:
        for _ in range(2):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                archive.writestr("t/markup.bcf", MARKUP % b"")
    assert "twice" in refused(path).problem


def test_one_broken_topic_costs_itself_only(tmp_path):
    found = read_bcf(packed(tmp_path / "x.bcf", {"a/markup.bcf": b"<Markup>", "b/markup.bcf": MARKUP % b""}))
    assert [topic.title for topic in found.topics] == ["T"]
    assert any("a/markup.bcf is left out" in warning for warning in found.warnings)
    assert any("b/view.bcfv" in warning for warning in found.warnings), "its view is not in the archive"


@pytest.mark.parametrize("number", ["nan", "1e999", "x", "", "1_0e5"])
def test_a_camera_of_numbers_that_are_none_is_left_out(tmp_path, number):
    data = (VIEW % b"").replace(b"<X>1</X>", f"<X>{number}</X>".encode())
    path = packed(tmp_path / "x.bcf", {"t/markup.bcf": MARKUP % b"", "t/view.bcfv": data})
    found = read_bcf(path)
    assert found.topics[0].viewpoints[0].camera is None
    assert any("camera" in warning for warning in found.warnings)


def test_hundreds_of_damaged_files_are_read_or_refused(schependomlaan, tmp_path):
    dice = random.Random(9)
    whole = plain(tmp_path / "whole.bcf", b'<Component IfcGuid="A" Selected="true"/>').read_bytes()
    xml = {"t/markup.bcf": MARKUP % b"<Comment Guid='c'><Comment>x</Comment></Comment>", "t/view.bcfv": VIEW % b""}
    path = tmp_path / "mutant.bcf"
    for round_ in range(400):
        if round_ % 2:
            data = bytearray(whole)
            for _ in range(dice.randint(1, 8)):
                data[dice.randrange(len(data))] = dice.randrange(256)
            path.write_bytes(bytes(data[: dice.randrange(len(data))] if dice.random() < 0.2 else data))
        else:
            members = {}
            for name, text in xml.items():
                data = bytearray(text)
                for _ in range(dice.randint(0, 6)):
                    at = dice.randrange(len(data))
                    data[at : at + dice.randint(0, 3)] = bytes(dice.randrange(256) for _ in range(dice.randint(0, 3)))
                members[name] = bytes(data)
            packed(path, members)
        error = outcome(path)
        assert error is None or (error.problem and error.fix)
