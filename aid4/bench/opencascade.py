"""The opencascade kernel alone, in a process of its own: `python -m aid4.bench.opencascade FILE` prints JSON.

It opens the file and makes every shape, no more: no tile is written, nothing is compressed. What `aid4 bench ifc`
compares with.
"""

import json
import sys


def main(file: str) -> None:
    """Ids with a representation, ids with at least one triangle."""
    import ifcopenshell
    from ifcopenshell import geom

    model = ifcopenshell.open(file)
    products = [one for one in model.by_type("IfcProduct") if one.Representation is not None]
    made = []
    iterator = geom.iterator(geom.settings(), model, 1, include=products, geometry_library="opencascade")
    more = bool(products) and iterator.initialize()
    while more:
        shape = iterator.get()
        if shape.geometry.faces_buffer:
            made.append(shape.guid)
        more = iterator.next()
    sys.stdout.write(json.dumps({"represented": [one.GlobalId for one in products], "made": made}))


if __name__ == "__main__":
    main(sys.argv[1])
