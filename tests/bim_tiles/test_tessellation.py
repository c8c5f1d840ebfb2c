"""Triangles that the file states are read as they stand, and only where nothing else is to be done."""

import random

import ifcopenshell.geom
import ifcopenshell.util.shape as judge
import numpy as np
import pyarrow as pa
import pytest

from bim.tiles import build_tiles, load_meshes

HEAD = """ISO-10303-21;
HEADER;
FILE_DESCRIPTION((''),'2;1');
FILE_NAME('x.ifc','2026-01-01T00:00:00',(''),(''),'','','');
FILE_SCHEMA(('IFC4'));
ENDSEC;
DATA;
#1=IFCCARTESIANPOINT((0.,0.,0.));
#2=IFCAXIS2PLACEMENT3D(#1,$,$);
#3=IFCGEOMETRICREPRESENTATIONCONTEXT($,'Model',3,1.E-5,#2,$);
#4=IFCSIUNIT(*,.LENGTHUNIT.,.MILLI.,.METRE.);
#5=IFCUNITASSIGNMENT((#4));
#6=IFCPROJECT('0000000000000000000001',$,'p',$,$,$,$,(#3),#5);
#7=IFCCARTESIANPOINT((5000.,0.,0.));
#8=IFCDIRECTION((0.,0.,1.));
#9=IFCDIRECTION((0.,1.,0.));
#10=IFCAXIS2PLACEMENT3D(#7,#8,#9);
#11=IFCLOCALPLACEMENT($,#10);
#12=IFCCARTESIANPOINTLIST3D(((0.,0.,0.),(4000.,0.,0.),(4000.,200.,0.),(0.,200.,0.),(0.,0.,3000.),(4000.,0.,3000.),
(4000.,200.,3000.),(0.,200.,3000.)));
#13=IFCTRIANGULATEDFACESET(#12,$,.T.,((1,3,2),(1,4,3),(5,6,7),(5,7,8),(1,2,6),(1,6,5),(2,3,7),(2,7,6),(3,4,8),(3,8,7),
(4,1,5),(4,5,8)),$);
#14=IFCSHAPEREPRESENTATION(#3,'Body','Tessellation',(#13));
#15=IFCPRODUCTDEFINITIONSHAPE($,$,(#14));
#16=IFCWALL('1000000000000000000001',$,'w',$,$,#11,#15,$,$);
"""
OPENING = """#20=IFCCARTESIANPOINT((1000.,-100.,0.));
#21=IFCAXIS2PLACEMENT3D(#20,$,$);
#22=IFCLOCALPLACEMENT(#11,#21);
#23=IFCCARTESIANPOINT((500.,200.));
#24=IFCAXIS2PLACEMENT2D(#23,$);
#25=IFCRECTANGLEPROFILEDEF(.AREA.,$,#24,1000.,400.);
#26=IFCEXTRUDEDAREASOLID(#25,#2,#8,2000.);
#27=IFCSHAPEREPRESENTATION(#3,'Body','SweptSolid',(#26));
#28=IFCPRODUCTDEFINITIONSHAPE($,$,(#27));
#29=IFCOPENINGELEMENT('2000000000000000000001',$,'o',$,$,#22,#28,$,$);
#30=IFCRELVOIDSELEMENT('3000000000000000000001',$,$,$,#16,#29);
"""
RED = """#40=IFCCOLOURRGB($,1.,0.,0.);
#41=IFCSURFACESTYLERENDERING(#40,0.5,$,$,$,$,$,$,.FLAT.);
#42=IFCSURFACESTYLE($,.BOTH.,(#41));
#43=IFCSTYLEDITEM(#13,(#42),$);
"""
TAIL = "ENDSEC;\nEND-ISO-10303-21;\n"


def built_from(text: str, folder):
    path = folder / "model.ifc"
    path.write_text(HEAD + text + TAIL)
    tileset = build_tiles(path, folder / "tiles", plans=False)
    return tileset, load_meshes(folder / "tiles"), pa.ipc.open_file(folder / "tiles" / "features.arrow").read_all()


def test_plain_triangles_are_placed_to_the_micrometre(tmp_path):
    tileset, meshes, table = built_from("", tmp_path)
    assert tileset.kernels == {"tessellation": 1}
    wall = meshes[0]
    # 4 m along the wall's x, which points along y; its thickness points against x
    assert wall.vertices.min(axis=0).tolist() == pytest.approx([4.8, 0.0, 0.0], abs=1e-6)
    assert wall.vertices.max(axis=0).tolist() == pytest.approx([5.0, 4.0, 3.0], abs=1e-6)
    assert table["volume_m3"].to_pylist() == [pytest.approx(2.4)]
    assert table["area_m2"].to_pylist() == [pytest.approx(2 * (4 * 3 + 4 * 0.2 + 3 * 0.2))]


def test_a_wall_with_an_opening_is_left_to_a_kernel_that_cuts_it(tmp_path):
    tileset, _, table = built_from(OPENING, tmp_path)
    assert "tessellation" not in tileset.kernels
    wall = table.to_pylist()[0]
    assert wall["type"] == "IfcWall"
    assert wall["volume_m3"] == pytest.approx(2.4 - 1.0 * 0.2 * 2.0, rel=1e-3)


def test_a_colour_of_its_own_is_seen(tmp_path):
    _, _, table = built_from(RED, tmp_path)
    color = table["color"].to_pylist()[0]
    assert color >> 8 == 0xFF0000
    assert color & 0xFF in (127, 128)


def test_triangles_outside_their_coordinates_crash_nothing(tmp_path):
    path = tmp_path / "model.ifc"
    path.write_text((HEAD + TAIL).replace("(1,3,2)", "(1,3,99)"))
    tileset = build_tiles(path, tmp_path / "tiles", plans=False)
    assert tileset.represented == tileset.meshes + len(tileset.lost) == 1


def test_a_model_of_tessellations_is_read_whole_and_as_opencascade_sees_it(built, opened):
    name = "schependomlaan/design.ifc"
    folder, tileset = built(name)
    assert tileset.kernels == {"tessellation": 3661}
    meshes, model = load_meshes(folder), opened(name)
    settings = ifcopenshell.geom.settings()
    settings.set("use-world-coords", True)
    for row in random.Random(1).sample(range(len(meshes)), 120):
        mesh = meshes[row]
        shape = ifcopenshell.geom.create_shape(settings, model.by_guid(mesh.global_id)).geometry
        points = np.array(shape.verts).reshape(-1, 3)[np.unique(np.array(shape.faces))]
        assert np.abs(mesh.vertices.min(axis=0) - points.min(axis=0)).max() < 1e-4
        assert np.abs(mesh.vertices.max(axis=0) - points.max(axis=0)).max() < 1e-4
        corners = mesh.vertices[mesh.triangles]
        area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).sum() / 2
        assert area == pytest.approx(judge.get_area(shape), rel=1e-3)
