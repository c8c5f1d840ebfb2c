"""BCF 3.0 that other tools take: by the rules of its schemas, by another reader, and by the geometry of the model."""

import json
import math
import subprocess
import sys
import zipfile
from pathlib import Path
from xml.etree import ElementTree as ET

import ifcopenshell
import ifcopenshell.geom
import numpy as np
import pytest
from bcf.v3.bcfxml import BcfXml

from bim.bcf.camera import look_at
from bim.bcf.read import read_bcf
from bim.bcf.topics import Camera, Coloring, Comment, HeaderFile, Topic, Viewpoint
from bim.bcf.write import write_bcf
from wire.errors import InputError

sys.path.insert(0, str(Path(__file__).parent))
from rules import breaches

ROOT = Path(__file__).resolve().parents[2]
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360000002000001e221bc330000"
    "000049454e44ae426082"
)
GUIDS = ["7a64b763-01d2-4364-9c2c-d452dc95ef54", "0c0f1b52-6f4d-4a4b-8f25-0d8c1a1f7f01"]
FULL = Topic(
    guid=GUIDS[0],
    title="Ťažké dvere <&> 門",
    type="Clash",
    status="Open",
    priority="High",
    index=3,
    labels=["HVAC", "fire"],
    stage="Design",
    description="line one\nline two\x00\x0b",
    author="a@b.c",
    date="2026-06-01T10:00:00Z",
    modified_author="d@e.f",
    modified_date="2026-06-02T10:00:00+02:00",
    due="2026-07-01T00:00:00Z",
    assigned_to="g@h.i",
    links=["https://example.org/1"],
    related=[GUIDS[1]],
    files=[HeaderFile(name="m.ifc", project="1kNisWKZD7Bv$hqh6O6CaI", date="2026-05-01T00:00:00Z")],
    comments=[
        Comment(guid=GUIDS[1], text="See here", author="a@b.c", date="2026-06-01T11:00:00Z", viewpoint=GUIDS[0]),
        Comment(guid="mine", text="", author="", date=""),
    ],
    viewpoints=[
        Viewpoint(
            guid=GUIDS[0],
            camera=look_at((0, 0, 0, 1, 2, 3)),
            elements=["073$0OxmvEMu0iJzPT4cfg"],
            visible_by_default=False,
            exceptions=["073$0OxmvEMu0iJzPT4cfg"],
            coloring=[Coloring("ff00AA", ["073$0OxmvEMu0iJzPT4cfg"])],
        ),
        Viewpoint(guid="flat", camera=Camera(position=(1, 2, 3), direction=(0, 0, -1), up=(0, 1, 0), view_height_m=8)),
    ],
)
BARE = Topic(guid=GUIDS[1], title="Bare")


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "x.bcf"
    write_bcf([FULL, BARE], path, project="Park", snapshots={GUIDS[0]: PNG})
    return path


def documents(path: Path) -> dict[str, ET.Element]:
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if not name.endswith(".png")]
        return {name: ET.fromstring(archive.read(name)) for name in names}


def test_every_document_keeps_the_rules_of_its_schema(written):
    found = documents(written)
    assert {root.tag for root in found.values()} == {
        "Version", "ProjectInfo", "Extensions", "Markup", "VisualizationInfo",
    }  # fmt: skip
    assert {name: breaches(root) for name, root in found.items() if breaches(root)} == {}


def test_the_rules_notice_what_is_wrong(written):
    markup = next(root for root in documents(written).values() if root.tag == "Markup")
    topic = markup.find("Topic")
    topic.remove(topic.find("Title"))
    topic.set("Guid", "NO")
    assert len(breaches(markup)) == 2


def test_extensions_list_what_topics_use(written):
    found = documents(written)
    listed = {child.text for group in found["extensions.xml"] for child in group}
    markups = [root for root in found.values() if root.tag == "Markup"]
    used = {one.text for root in markups for tag in ("Priority", "Stage", "CreationAuthor", "AssignedTo", "Author")
            for one in root.iter(tag)}  # fmt: skip
    used |= {root.find("Topic").get(name) for root in markups for name in ("TopicType", "TopicStatus")}
    used |= {one.text for root in markups for one in root.findall("Topic/Labels/Label")}
    assert used <= listed


def test_another_reader_of_bcf_sees_the_same(written):
    with BcfXml.load(written) as bcf:
        assert bcf.version.version_id == "3.0"
        assert bcf.project.name == "Park"
        topic = bcf.topics[FULL.guid]
        assert topic.topic.title == FULL.title
        assert (topic.topic.topic_type, topic.topic.topic_status) == ("Clash", "Open")
        assert topic.topic.labels.label == ["HVAC", "fire"]
        assert topic.topic.due_date.year == 2026
        assert [one.comment for one in topic.comments] == ["See here", ""] or topic.comments[0].comment == "See here"
        view = next(one for one in topic.viewpoints.values() if one.guid == GUIDS[0])
        info = view.visualization_info
        assert [one.ifc_guid for one in info.components.selection.component] == ["073$0OxmvEMu0iJzPT4cfg"]
        at = info.perspective_camera.camera_view_point
        assert (at.x, at.y, at.z) == FULL.viewpoints[0].camera.position
        assert view.snapshot == PNG


def test_what_is_written_is_read_again(written):
    found = read_bcf(written)
    assert (found.version, found.project, found.warnings) == ("3.0", "Park", [])
    topic, bare = found.topics
    assert (topic.title, topic.index, topic.labels, topic.links, topic.related) == (
        FULL.title, 3, FULL.labels, FULL.links, FULL.related,
    )  # fmt: skip
    assert topic.description == "line one\nline two\ufffd\ufffd"
    assert topic.files == FULL.files
    assert topic.comments[0] == FULL.comments[0]
    views = topic.viewpoints
    assert views[0].camera == FULL.viewpoints[0].camera
    assert (views[0].elements, views[0].exceptions, views[0].visible_by_default) == (
        FULL.viewpoints[0].elements, FULL.viewpoints[0].exceptions, False,
    )  # fmt: skip
    assert views[0].coloring == [Coloring("FF00AA", FULL.viewpoints[0].elements)]
    assert views[1].camera.view_height_m == 8
    assert (bare.title, bare.type, bare.viewpoints) == ("Bare", "Unspecified", [])


def test_the_same_topics_give_the_same_bytes(written, tmp_path):
    write_bcf([FULL, BARE], tmp_path / "y.bcf", project="Park", snapshots={GUIDS[0]: PNG})
    assert (tmp_path / "y.bcf").read_bytes() == written.read_bytes()


def test_two_topics_of_one_guid_and_a_snapshot_that_is_no_image_are_refused(tmp_path):
    with pytest.raises(InputError):
        write_bcf([BARE, BARE], tmp_path / "x.bcf")
    with pytest.raises(InputError) as refused:
        write_bcf([FULL], tmp_path / "x.bcf", snapshots={GUIDS[0]: b"GIF89a"})
    assert "PNG" in refused.value.fix
    assert list(tmp_path.iterdir()) == []


def in_view(camera: Camera, points: np.ndarray) -> bool:
    """By hand: every point in front of the camera and within its field of view, up to its aspect ratio."""
    ahead, up = np.array(camera.direction), np.array(camera.up)
    right = np.cross(ahead, up)
    rays = points - np.array(camera.position)
    depth = rays @ ahead
    high = math.tan(math.radians(camera.field_of_view_deg) / 2)
    seen = (depth > 0) & (abs(rays @ up) <= high * depth) & (abs(rays @ right) <= high * camera.aspect_ratio * depth)
    return bool(seen.all())


def aid4(*arguments):
    command = [sys.executable, "-m", "aid4", "bim", "bcf", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


def vertices(model: Path, ids: list[str]) -> dict[str, np.ndarray]:
    file = ifcopenshell.open(model)
    settings = ifcopenshell.geom.settings()
    found = {}
    for one in ids:
        shape = ifcopenshell.geom.create_shape(settings, file.by_guid(one))
        matrix = np.array(shape.transformation.matrix).reshape(4, 4, order="F")
        found[one] = np.array(shape.geometry.verts).reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3]
    return found


@pytest.mark.parametrize("name", ["schependomlaan/design.ifc", "ifc/Duplex_Electrical.ifc"])
def test_the_view_of_a_real_element_has_all_of_it_in_sight(shared_data, tmp_path, name):
    model = shared_data / "bim" / name
    kinds = ("IfcDoor", "IfcFlowTerminal", "IfcElectricDistributionPoint", "IfcWall")
    file = ifcopenshell.open(model)
    ids = [
        one.GlobalId
        for kind in kinds
        if file.schema == "IFC2X3" or kind != "IfcElectricDistributionPoint"
        for one in file.by_type(kind)[:3]
        if one.Representation
    ]
    issues = tmp_path / "issues.json"
    issues.write_text(json.dumps([{"title": f"look at {one}", "elements": [one]} for one in ids]))
    done = aid4("out", model, tmp_path / "x.bcf", "--issues", issues, "--at", "2026-06-01", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["not_found"] == []
    points = vertices(model, ids)
    topics = read_bcf(tmp_path / "x.bcf").topics
    assert len(topics) == len(ids) >= 3
    for topic in topics:
        (view,) = topic.viewpoints
        (one,) = view.elements
        assert in_view(view.camera, points[one])
        size = float(np.ptp(points[one], axis=0).max())
        away = math.dist(view.camera.position, points[one].mean(0))
        assert away < 6 * max(size, 1.5), "near enough to see it"
    assert {name: breaches(root) for name, root in documents(tmp_path / "x.bcf").items() if breaches(root)} == {}


def test_elements_that_the_model_lacks_are_told(shared_data, tmp_path):
    model = shared_data / "bim" / "ifc" / "georef" / "geolocation-unit1.ifc"
    done = aid4("out", model, tmp_path / "x.bcf", "--title", "T", "--element", "0000000000000000000000", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["not_found"] == ["0000000000000000000000"]


def test_a_check_becomes_issues(shared_data, tmp_path):
    model = shared_data / "bim" / "schependomlaan" / "sub_floor1_GEELEN.ifc"
    command = [sys.executable, "-m", "aid4", "bim", "check", str(model), "--json"]
    report = tmp_path / "check.json"
    known = json.loads(subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout)
    for finding in known["findings"]:
        finding["elements"] = finding["elements"][:9]
    report.write_text(json.dumps(known))
    done = aid4("out", model, tmp_path / "x.bcf", "--issues", report, "--json")
    topics = read_bcf(tmp_path / "x.bcf").topics
    assert done.returncode == 0, done.stderr
    assert [topic.labels for topic in topics] == [["malformed_global_id"]]
    assert len(topics[0].viewpoints[0].elements) == 9


@pytest.mark.parametrize("text", ["{", "{}", '[{"elements": []}]', '[{"title": "a", "colour": 1}]', "[1]", "\xff"])
def test_issues_that_are_none_exit_with_2(shared_data, tmp_path, text):
    (tmp_path / "issues.json").write_text(text, encoding="latin-1")
    model = shared_data / "bim" / "ifc" / "georef" / "geolocation-unit1.ifc"
    done = aid4("out", model, tmp_path / "x.bcf", "--issues", tmp_path / "issues.json")
    assert done.returncode == 2
    assert "fix:" in done.stderr
