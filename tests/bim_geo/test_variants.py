"""Every way an IFC file says where it lies, against the map computed by hand."""

import math

import numpy as np
import pytest

from bim.geo.frame import SiteFrame
from bim.open import read_model
from wire.errors import InputError

POINTS = np.array([[0.0, 0.0, 0.0], [10.0, 0.0, 3.0], [12.5, -40.25, -2.0], [350.0, 220.0, 18.0]])
JTSK = "#90=IFCPROJECTEDCRS('EPSG:8353',$,'JTSK03','EPSG:8357','Krovak',$,{unit});"
EAST, NORTH, HEIGHT = -487561.214, -1197224.53, 231.42
TURN = math.radians(33.0)
AXIS = f"{math.cos(TURN)!r},{math.sin(TURN)!r}"


def helmert(points, east, north, height, turn, scale=1.0, factors=(1.0, 1.0, 1.0)):
    """IFC 4.3 8.18.3.3 and .4, written out."""
    fx, fy, fz = factors
    x, y, z = points.T
    return np.column_stack(
        [
            east + scale * (fx * x * math.cos(turn) - fy * y * math.sin(turn)),
            north + scale * (fx * x * math.sin(turn) + fy * y * math.cos(turn)),
            height + scale * fz * z,
        ]
    )


def agrees(frame, points, expected):
    np.testing.assert_allclose(frame.to_projected(points), expected, rtol=0, atol=1e-6)
    np.testing.assert_allclose(frame.from_projected(expected), points, rtol=0, atol=1e-6)


def test_a_map_conversion_in_metres(state):
    more = JTSK.format(unit="$") + f"#91=IFCMAPCONVERSION(#14,#90,{EAST},{NORTH},{HEIGHT},{AXIS},0.9999);"
    frame = SiteFrame.from_georeference(state(more))
    agrees(frame, POINTS, helmert(POINTS, EAST, NORTH, HEIGHT, TURN, 0.9999))
    assert (frame.crs, frame.how) == ("EPSG:8353", "IfcMapConversion")
    assert frame.vertical_datum == "Baltic 1957 height (EPSG:8357)"


def test_a_model_in_millimetres_on_a_map_in_metres(state):
    more = "#89=IFCSIUNIT(*,.LENGTHUNIT.,$,.METRE.);" + JTSK.format(unit="#89")
    more += f"#91=IFCMAPCONVERSION(#14,#90,{EAST},{NORTH},{HEIGHT},{AXIS},0.001);"
    agrees(
        SiteFrame.from_georeference(state(more, prefix=".MILLI.")), POINTS, helmert(POINTS, EAST, NORTH, HEIGHT, TURN)
    )


@pytest.mark.parametrize("scale", ["$", "1.", "0.001"])
def test_a_scale_that_was_left_out_or_forgotten_makes_no_building_a_thousand_times_larger(state, scale):
    more = "#89=IFCSIUNIT(*,.LENGTHUNIT.,$,.METRE.);" + JTSK.format(unit="#89")
    more += f"#91=IFCMAPCONVERSION(#14,#90,{EAST},{NORTH},{HEIGHT},{AXIS},{scale});"
    stated = state(more, prefix=".MILLI.")
    agrees(SiteFrame.from_georeference(stated), POINTS, helmert(POINTS, EAST, NORTH, HEIGHT, TURN))
    assert bool(stated.notes) == (scale != "0.001")


@pytest.mark.parametrize("scale", ["$", "1.", "0.001"])
def test_metres_without_a_map_unit_in_a_millimetre_project_are_seen_by_where_they_lead(state, scale):
    more = JTSK.format(unit="$") + f"#91=IFCMAPCONVERSION(#14,#90,{EAST},{NORTH},{HEIGHT},{AXIS},{scale});"
    frame = SiteFrame.from_georeference(state(more, prefix=".MILLI."))
    agrees(frame, POINTS, helmert(POINTS, EAST, NORTH, HEIGHT, TURN))


def test_a_map_conversion_with_factors(state):
    more = JTSK.format(unit="$")
    more += f"#91=IFCMAPCONVERSIONSCALED(#14,#90,{EAST},{NORTH},{HEIGHT},{AXIS},1.,0.9998,0.9997,1.0002);"
    frame = SiteFrame.from_georeference(state(more, schema="IFC4X3_ADD2"))
    agrees(frame, POINTS, helmert(POINTS, EAST, NORTH, HEIGHT, TURN, 1.0, (0.9998, 0.9997, 1.0002)))
    assert frame.how == "IfcMapConversionScaled"


def test_a_rigid_operation_only_shifts(state):
    more = JTSK.format(unit="$")
    more += f"#91=IFCRIGIDOPERATION(#14,#90,IFCLENGTHMEASURE({EAST}),IFCLENGTHMEASURE({NORTH}),{HEIGHT});"
    frame = SiteFrame.from_georeference(state(more, schema="IFC4X3_ADD2"))
    agrees(frame, POINTS, np.add(POINTS, [EAST, NORTH, HEIGHT]))


def test_a_rigid_operation_in_degrees_is_a_place(state, apart_m):
    more = "#90=IFCGEOGRAPHICCRS('EPSG:4326',$,'WGS84',$,$,$,$);"
    more += "#91=IFCRIGIDOPERATION(#14,#90,IFCPLANEANGLEMEASURE(48.9631),IFCPLANEANGLEMEASURE(18.1682),231.);"
    frame = SiteFrame.from_georeference(state(more, schema="IFC4X3_ADD2", north=(0.0, 1.0)), crs="EPSG:8353")
    lat, lon, height = frame.to_wgs84(np.zeros((1, 3)))[0]
    assert apart_m((lat, lon), (48.9631, 18.1682)) < 1e-3
    assert (height, frame.crs, frame.how) == (231.0, "EPSG:8353", "IfcRigidOperation")


def test_the_reference_point_of_the_context_is_where_the_operation_starts(state):
    turn = math.radians(20.0)
    more = JTSK.format(unit="$") + f"#91=IFCMAPCONVERSION(#14,#90,{EAST},{NORTH},{HEIGHT},{AXIS},$);"
    axis = f"{math.cos(turn)!r},{math.sin(turn)!r},0."
    frame = SiteFrame.from_georeference(state(more, wcs="100.,50.,2.", wcs_x=axis))
    x, y, z = (POINTS - [100.0, 50.0, 2.0]).T  # seen from the reference point, along its axes
    seen = np.column_stack([x * math.cos(turn) + y * math.sin(turn), y * math.cos(turn) - x * math.sin(turn), z])
    agrees(frame, POINTS, helmert(seen, EAST, NORTH, HEIGHT, TURN))


EPSET = """#30=IFCPROPERTYSINGLEVALUE('Eastings',$,IFCLENGTHMEASURE({east}),$);
#31=IFCPROPERTYSINGLEVALUE('Northings',$,IFCLENGTHMEASURE({north}),$);
#32=IFCPROPERTYSINGLEVALUE('OrthogonalHeight',$,IFCLENGTHMEASURE({height}),$);
#33=IFCPROPERTYSINGLEVALUE('XAxisAbscissa',$,IFCREAL({x}),$);
#34=IFCPROPERTYSINGLEVALUE('XAxisOrdinate',$,IFCREAL({y}),$);
#35=IFCPROPERTYSINGLEVALUE('Scale',$,IFCREAL({scale}),$);
#36=IFCOWNERHISTORY(#37,#38,$,.NOCHANGE.,$,$,$,0);
#37=IFCPERSONANDORGANIZATION(#39,#40,$);
#38=IFCAPPLICATION(#40,'1','a','a');
#39=IFCPERSON($,'a',$,$,$,$,$,$);
#40=IFCORGANIZATION($,'a',$,$,$);
#41=IFCPROPERTYSET('0jt2rJc6z1fwZdQThQPo05',#36,'ePSet_MapConversion',$,(#30,#31,#32,#33,#34,#35));
#42=IFCRELDEFINESBYPROPERTIES('0jt2rJc6z1fwZdQThQPo06',#36,$,$,(#20),#41);
#43=IFCPROPERTYSINGLEVALUE('Name',$,IFCLABEL('EPSG:8353'),$);
#44=IFCPROPERTYSINGLEVALUE('VerticalDatum',$,IFCLABEL('Bpv'),$);
#45=IFCPROPERTYSET('0jt2rJc6z1fwZdQThQPo07',#36,'ePSet_ProjectedCRS',$,(#43,#44));
#46=IFCRELDEFINESBYPROPERTIES('0jt2rJc6z1fwZdQThQPo08',#36,$,$,(#20),#45);
"""


@pytest.mark.parametrize(("prefix", "scale"), [("$", 1.0), (".MILLI.", 0.001), (".MILLI.", 1.0)])
def test_the_property_sets_of_ifc2x3(state, prefix, scale):
    more = EPSET.format(east=EAST, north=NORTH, height=HEIGHT, x=math.cos(TURN), y=math.sin(TURN), scale=scale)
    frame = SiteFrame.from_georeference(state(more, schema="IFC2X3", prefix=prefix))
    agrees(frame, POINTS, helmert(POINTS, EAST, NORTH, HEIGHT, TURN))
    assert (frame.crs, frame.how, frame.vertical_datum) == (
        "EPSG:8353", "ePset_MapConversion", "Baltic 1957 height (EPSG:8357)",
    )  # fmt: skip


@pytest.mark.parametrize("operation", ["", f"#91=IFCMAPCONVERSION(#14,#90,{EAST},{NORTH},0.,$,$,$);"])
def test_a_model_drawn_on_the_map_is_never_moved(state, operation):
    more = JTSK.format(unit="$") + operation
    stated = state(more, at=f"{EAST},{NORTH},{HEIGHT}")
    frame = SiteFrame.from_georeference(stated, crs="EPSG:8353")
    there = np.array([[EAST + 12.0, NORTH - 3.0, HEIGHT + 1.0]])
    np.testing.assert_allclose(frame.to_projected(there), there, rtol=0, atol=1e-9)
    assert frame.how == "coordinates of the model, which is drawn on the map"
    assert any("twice" in warning for warning in frame.warnings) == bool(operation)


def test_a_model_far_from_its_own_zero_that_the_conversion_brings_to_the_map_is_moved(state):
    more = JTSK.format(unit="$") + f"#91=IFCMAPCONVERSION(#14,#90,{EAST - 2e6},{NORTH + 3e6},{HEIGHT},$,$,$);"
    frame = SiteFrame.from_georeference(state(more, at="2000000.,-3000000.,0."))
    agrees(frame, np.add(POINTS, [2e6, -3e6, 0]), np.add(POINTS, [EAST, NORTH, HEIGHT]))


def test_vertices_in_map_coordinates_are_seen_though_every_placement_is_zero(state):
    corners = ",".join(f"({EAST + x},{NORTH + y},{HEIGHT})" for x, y in ((0, 0), (9, 0), (9, 5)))
    body = f"""#50=IFCCARTESIANPOINTLIST3D(({corners}));
#51=IFCTRIANGULATEDFACESET(#50,$,$,((1,2,3)),$);
#52=IFCSHAPEREPRESENTATION(#14,'Body','Tessellation',(#51));
#53=IFCPRODUCTDEFINITIONSHAPE($,$,(#52));
#54=IFCBUILDINGELEMENTPROXY('0jt2rJc6z1fwZdQThQPo09',$,'C',$,$,#18,#53,$,$);
"""
    stated = state(body + JTSK.format(unit="$") + f"#91=IFCMAPCONVERSION(#14,#90,{EAST},{NORTH},0.,$,$,$);")
    assert stated.already_in_map_coordinates is False or stated.extent_m is not None
    frame = SiteFrame.from_georeference(stated)
    there = np.array([[EAST, NORTH, HEIGHT]])
    np.testing.assert_allclose(frame.to_projected(there), there, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("east", "north", "fix"),
    [(-EAST, -NORTH, "other sign"), (NORTH, EAST, "exchange"), (-NORTH, -EAST, "exchange"), (471.0, 1199.0, "check")],
)
def test_a_slip_in_the_coordinates_is_named(state, east, north, fix):
    stated = state(JTSK.format(unit="$") + f"#91=IFCMAPCONVERSION(#14,#90,{east},{north},0.,$,$,$);")
    with pytest.raises(InputError) as refusal:
        SiteFrame.from_georeference(stated)
    assert fix in refusal.value.fix
    assert "outside the area of EPSG:8353" in refusal.value.problem


def test_a_scale_that_no_grid_has_is_refused(state):
    stated = state(JTSK.format(unit="$") + f"#91=IFCMAPCONVERSION(#14,#90,{EAST},{NORTH},0.,$,$,0.3048);")
    with pytest.raises(InputError, match="scales lengths"):
        SiteFrame.from_georeference(stated)


FOLDER = {  # model point of the cube or actuator -> map, by hand from the files' own numbers
    "geolocation-mapconversion.ifc": (None, [(7.0, 3.0, 0.0), (22.0, 3.0, 0.0)]),  # 7000 mm + 15000 mm of map
    "geolocation-unit1.ifc": ("EPSG:3857", [(8.660254, -5.0, 0.0), (18.660254, -5.0, 0.0)]),  # 10000 mm of map
    "geolocation-unit2.ifc": ("EPSG:3857", [(8.660254, -5.0, 0.0), (18.660254, -5.0, 0.0)]),  # 10 m of map
}


@pytest.mark.parametrize("name", FOLDER)
def test_the_folder_of_variants_agrees_with_hand_computed_values(shared_data, tmp_path, name):
    crs, (model, expected) = FOLDER[name]
    frame = SiteFrame.from_georeference(read_model(shared_data / "bim/ifc/georef" / name, tmp_path).georeference)
    np.testing.assert_allclose(frame.to_projected(np.array([model])), [expected], rtol=0, atol=1e-3)
    assert frame.crs == crs


def test_a_map_without_a_name_is_no_place_on_earth_until_the_site_names_it(shared_data, tmp_path):
    path = shared_data / "bim/ifc/georef/geolocation-mapconversion.ifc"
    stated = read_model(path, tmp_path).georeference
    frame = SiteFrame.from_georeference(stated)
    with pytest.raises(InputError, match="names no coordinate reference system") as refusal:
        frame.to_wgs84(np.zeros((1, 3)))
    assert "site.toml" in refusal.value.fix
    assert SiteFrame.from_georeference(stated, crs="EPSG:3857").to_wgs84(np.zeros((1, 3)))[0, 1] > 0


def test_a_model_that_says_nothing_is_refused_with_what_to_write(shared_data, tmp_path):
    path = shared_data / "bim/ifc/georef/geolocation.ifc"
    with pytest.raises(InputError, match="does not say where it lies") as refusal:
        SiteFrame.from_georeference(read_model(path, tmp_path).georeference)
    assert "[origin]" in refusal.value.fix
