"""A model of any number of elements, written as STEP text: what no real file of the test folder is large enough for.

Elements are extruded profiles, each of its own length and place to the millimetre: two of five are boxes, the others
pipes, ducts with a bore and toothed sections of 8 to 60 corners. That makes about 85 triangles an element; of the real
models of the test folder the middle one has 80. Storeys of 1,000 elements stand in buildings.
"""

import math
import random
from collections.abc import Callable, Iterator
from pathlib import Path

__all__ = ["write_model"]

_STOREY_ELEMENTS = 1_000
_STOREYS = 10  # of one building
_PROFILES = 65
_BOXES = 26  # of the profiles
_CLASSES = ("IFCWALL", "IFCSLAB", "IFCBEAM", "IFCCOLUMN", "IFCPIPESEGMENT", "IFCBUILDINGELEMENTPROXY")
_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_$"
_HEAD = """ISO-10303-21;
HEADER;
FILE_DESCRIPTION(('ViewDefinition [ReferenceView_V1.2]'),'2;1');
FILE_NAME('made.ifc','2026-01-01T00:00:00',(''),(''),'AID4','AID4','');
FILE_SCHEMA(('IFC4'));
ENDSEC;
DATA;
#1=IFCCARTESIANPOINT((0.,0.,0.));
#2=IFCAXIS2PLACEMENT3D(#1,$,$);
#3=IFCGEOMETRICREPRESENTATIONCONTEXT($,'Model',3,1.E-5,#2,$);
#4=IFCSIUNIT(*,.LENGTHUNIT.,$,.METRE.);
#5=IFCUNITASSIGNMENT((#4));
#6=IFCPROJECT('0000000000000000000001',$,'Made',$,$,$,$,(#3),#5);
#7=IFCLOCALPLACEMENT($,#2);
#8=IFCDIRECTION((0.,0.,1.));
#9=IFCCOLOURRGB($,0.7,0.72,0.75);
#10=IFCSURFACESTYLERENDERING(#9,0.,$,$,$,$,$,$,.FLAT.);
#11=IFCSURFACESTYLE($,.BOTH.,(#10));
"""


def write_model(path: Path, elements: int, seed: int = 5) -> None:
    """An IFC4 file of so many elements; one seed, one file."""
    with path.open("w", encoding="ascii") as file:
        file.write(_HEAD)
        file.writelines(_lines(elements, random.Random(seed)))  # noqa: S311  (a model, no secret)
        file.write("ENDSEC;\nEND-ISO-10303-21;\n")


def _lines(elements: int, dice: random.Random) -> Iterator[str]:
    free = 100
    profiles = []
    for number in range(_PROFILES):
        lines, free = _profile(free, number, dice)
        profiles.append(free - 1)
        yield from lines
    storeys: dict[int, list[int]] = {}
    for number in range(elements):
        storey = number // _STOREY_ELEMENTS
        storeys.setdefault(storey, []).append(free + 6)
        place = _place(number % _STOREY_ELEMENTS, storey, dice)
        kind = _CLASSES[number % len(_CLASSES)]
        yield (
            f"#{free}=IFCCARTESIANPOINT(({place[0]:.3f},{place[1]:.3f},{place[2]:.3f}));\n"
            f"#{free + 1}=IFCAXIS2PLACEMENT3D(#{free},$,$);\n"
            f"#{free + 2}=IFCLOCALPLACEMENT(#7,#{free + 1});\n"
            f"#{free + 3}=IFCEXTRUDEDAREASOLID(#{dice.choice(profiles)},#2,#8,{dice.uniform(0.2, 4):.3f});\n"
            f"#{free + 4}=IFCSHAPEREPRESENTATION(#3,'Body','SweptSolid',(#{free + 3}));\n"
            f"#{free + 5}=IFCPRODUCTDEFINITIONSHAPE($,$,(#{free + 4}));\n"
            f"#{free + 6}={kind}('{_guid(dice)}',$,'{number}',$,$,#{free + 2},#{free + 5},$,$);\n"
            f"#{free + 7}=IFCSTYLEDITEM(#{free + 3},(#11),$);\n"
        )
        free += 8
    for storey, held in storeys.items():
        height, parts = (storey % _STOREYS) * 4.0, ",".join(f"#{one}" for one in held)
        yield f"#{free}=IFCBUILDINGSTOREY('{_guid(dice)}',$,'{storey}',$,$,#7,$,$,.ELEMENT.,{height:.1f});\n"
        yield f"#{free + 1}=IFCRELCONTAINEDINSPATIALSTRUCTURE('{_guid(dice)}',$,$,$,({parts}),#{free});\n"
        yield f"#{free + 2}=IFCRELAGGREGATES('{_guid(dice)}',$,$,$,#6,(#{free}));\n"
        free += 3


def _profile(free: int, number: int, dice: random.Random) -> tuple[list[str], int]:
    """Lines of one profile and the next free number; the profile has the last number used."""
    corners = 4 if number < _BOXES else dice.randint(8, 60)
    wide, narrow = round(dice.uniform(0.25, 0.5), 2), round(dice.uniform(0.2, 0.25), 2)
    lines, outer = _ring(free, corners, lambda at: wide if number % 2 or at % 4 < 2 else narrow)
    free = outer + 1
    if number < _BOXES or number % 4:
        lines.append(f"#{free}=IFCARBITRARYCLOSEDPROFILEDEF(.AREA.,$,#{outer});\n")
        return lines, free + 1
    more, inner = _ring(free, 8, lambda _: 0.15)
    lines += [*more, f"#{inner + 1}=IFCARBITRARYPROFILEDEFWITHVOIDS(.AREA.,$,#{outer},(#{inner}));\n"]
    return lines, inner + 2


def _ring(free: int, corners: int, radius_m: Callable[[int], float]) -> tuple[list[str], int]:
    """A closed polyline about the origin, and its number."""
    lines = []
    for at in range(corners):
        angle, radius = 2 * math.pi * at / corners, radius_m(at)
        point = f"{radius * math.cos(angle):.4f},{radius * math.sin(angle):.4f}"
        lines.append(f"#{free + at}=IFCCARTESIANPOINT(({point}));\n")
    numbers = ",".join(f"#{free + at % corners}" for at in range(corners + 1))
    return [*lines, f"#{free + corners}=IFCPOLYLINE(({numbers}));\n"], free + corners


def _place(at: int, storey: int, dice: random.Random) -> tuple[float, float, float]:
    building, level = divmod(storey, _STOREYS)
    x = (building % 4) * 150.0 + (at % 40) * 1.6 + dice.uniform(0, 0.5)
    y = (building // 4) * 100.0 + (at // 40) * 1.6 + dice.uniform(0, 0.5)
    return x, y, level * 4.0 + dice.uniform(0, 0.3)


def _guid(dice: random.Random) -> str:
    return dice.choice("0123") + "".join(dice.choices(_LETTERS, k=21))
