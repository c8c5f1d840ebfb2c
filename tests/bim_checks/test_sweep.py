"""Every IFC file of the data folder, and files made to harm, through `aid4 bim info` and `check`: read or refused."""

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAD = b"ISO-10303-21;\nHEADER;\nFILE_DESCRIPTION((''),'2;1');\nFILE_NAME('','',(''),(''),'','','');\n"
TAIL = b"ENDSEC;\nEND-ISO-10303-21;\n"
PROJECT = b"#1=IFCPROJECT('0jt2rJc6z1fwZdQThQPodh',$,'P',$,$,$,$,$,$);\n"


def step(body: bytes, schema: bytes = b"IFC4") -> bytes:
    return HEAD + b"FILE_SCHEMA(('" + schema + b"'));\nENDSEC;\nDATA;\n" + PROJECT + body + TAIL


def zipped(**members: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name.replace("__", "/").replace("_DOT_", "."), data)
    return packed.getvalue()


def storey(number: int, one: str, elevation: bytes = b"0.") -> bytes:
    return b"#%d=IFCBUILDINGSTOREY('%s',$,'S',$,$,$,$,$,.ELEMENT.,%s);\n" % (number, one.encode(), elevation)


A, B = "0000000000000000000001", "0000000000000000000002"
RING = (
    storey(10, A) + storey(11, B)
    + b"#12=IFCRELAGGREGATES('0000000000000000000003',$,$,$,#10,(#11));\n"
    + b"#13=IFCRELAGGREGATES('0000000000000000000004',$,$,$,#11,(#10));\n"
    + b"#14=IFCRELAGGREGATES('0000000000000000000005',$,$,$,#10,(#10));\n"
)  # fmt: skip
PLACES = (
    b"".join(b"#%d=IFCLOCALPLACEMENT(#%d,#90000);\n" % (number, number + 1) for number in range(1000, 3000))
    + b"#3000=IFCLOCALPLACEMENT(#1000,#90000);\n#90000=IFCAXIS2PLACEMENT3D(#90001,$,$);\n"
    + b"#90001=IFCCARTESIANPOINT((0.,0.,0.));\n"
)
HOSTILE: dict[str, tuple[bytes, set[int]]] = {
    "empty.ifc": (b"", {2}),
    "zeros.ifc": (b"\x00" * 100_000, {2}),
    "truncated.ifc": (step(storey(10, A))[:-30], {2}),
    "unclosed.ifc": (step(b"#10=IFCBUILDINGSTOREY('" + b"x" * 1000), {1, 2}),
    "unknown_schema.ifc": (step(b"", b"IFC99"), {2}),
    "huge_numbers.ifc": (step(storey(10, A, b"1.E400") + storey(11, B, b"9" * 5000 + b".")), {0, 1, 2}),
    "huge_instance.ifc": (step(b"#99999999999999999999=IFCWALL('" + A.encode() + b"',$,$,$,$,$,$,$,$);\n"), {0, 1, 2}),
    "cyclic_containment.ifc": (step(RING), {1}),
    "cyclic_placement.ifc": (
        step(PLACES + b"#10=IFCWALL('" + A.encode() + b"',$,'W',$,$,#1000,$,$,$);\n"), {0, 1},
    ),
    "reference_to_path.ifc": (
        step(b"#10=IFCDOCUMENTREFERENCE('/etc/passwd','1','x',$,$);\n#11=IFCEXTERNALREFERENCE('file:///etc/passwd',$,$);\n"),
        {0, 1, 2},
    ),
    "reference_to_address.ifc": (step(b"#10=IFCDOCUMENTREFERENCE('http://127.0.0.1:9/x','1','x',$,$);\n"), {0, 1}),
    "bomb.ifczip": (zipped(model_DOT_ifc=HEAD + b" " * (400 << 20)), {2}),
    "traversal.ifczip": (zipped(**{"..__..__model_DOT_ifc": step(b"")}), {2}),
    "two_models.ifczip": (zipped(a_DOT_ifc=step(b""), b_DOT_ifc=step(b"")), {2}),
    "no_zip.ifczip": (b"PK\x03\x04" + b"\xff" * 200, {2}),
    "deep_list.ifc": (step(b"#10=IFCCARTESIANPOINTLIST3D(" + b"(" * 50_000 + b")" * 50_000 + b");\n"), {0, 1, 2}),
    "many_points.ifc": (step(b"#10=IFCCARTESIANPOINTLIST3D((" + b"(1.,2.,3.)," * 300_000 + b"(1.,2.,3.)));\n"), {0, 1}),
}  # fmt: skip


def aid4(command: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    full = [sys.executable, "-m", "aid4", "bim", command, *map(str, arguments)]
    return subprocess.run(full, capture_output=True, text=True, check=False, cwd=ROOT, timeout=120)


@pytest.mark.parametrize(
    ("command", "name"),
    [
        *(("check", name) for name in HOSTILE),
        *(("info", name) for name in ("truncated.ifc", "bomb.ifczip", "unclosed.ifc")),
    ],
)
def test_a_file_made_to_harm_is_read_or_refused(tmp_path, name, command):
    data, allowed = HOSTILE[name]
    path = tmp_path / name
    path.write_bytes(data)
    done = aid4(command, path, "--json", "--seconds", 60)
    expected = allowed if command == "check" else {0 if one == 1 else one for one in allowed}
    assert done.returncode in expected, done.stdout[-500:] + done.stderr[-500:]
    assert "Traceback" not in done.stderr
    if done.returncode == 2:
        assert str(path) in done.stderr + done.stdout
        assert "fix" in done.stderr + done.stdout
    else:
        json.loads(done.stdout)
    assert [one.name for one in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    "address", ["https://example.org/m.ifc", "file:///etc/passwd", "/no/such/file.ifc", "/dev/zero"]
)
def test_addresses_and_devices_are_refused(address):
    done = aid4("info", address)
    assert done.returncode == 2
    assert "fix:" in done.stderr


def test_the_ring_is_told(tmp_path):
    (tmp_path / "ring.ifc").write_bytes(HOSTILE["cyclic_containment.ifc"][0])
    known = json.loads(aid4("check", tmp_path / "ring.ifc", "--json").stdout)
    ring = next(one for one in known["findings"] if one["check"] == "ring_of_containment")
    assert sorted(ring["elements"]) == [A, B]


def test_every_model_of_the_data_folder_is_checked_or_refused(shared_data):
    files = sorted((shared_data / "bim").rglob("*.ifc"))
    assert len(files) > 15
    for path in files:
        done = aid4("check", path, "--json")
        expected = {2} if path.name == "errorfile.ifc" else {0}
        assert done.returncode in expected, f"{path.name}: {done.stderr[-300:]}"
        if done.returncode == 0:
            assert json.loads(done.stdout)["schema"] in ("IFC2X3", "IFC4", "IFC4X3_ADD2")
