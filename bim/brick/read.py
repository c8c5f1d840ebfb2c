"""Points of a Brick file (Turtle), each with the element that the file says it belongs to.

A point is found by its time-series id (`ref:hasTimeseriesId`), else its label, else the last part of its IRI; its
element by `ref:ifcGlobalID` of itself, of what it is a point of, or of where it is. Nothing is fetched.
"""

from pathlib import Path
from typing import Any

from bim.brick.points import BrickPoint
from wire.errors import InputError

__all__ = ["read_brick"]

_BYTES_MAX = 16 << 20  # a campus of 100,000 points; parsing takes a second a megabyte
_SUFFIXES = (".ttl", ".turtle")
_BRICK = "https://brickschema.org/schema/Brick#"
_REFS = ("https://brickschema.org/schema/Brick/ref#", "https://brickschema.org/schema/Brick#")


def read_brick(path: Path) -> list[BrickPoint]:
    """All points with an element; raises InputError naming file, line and fix."""
    if path.suffix.lower() not in _SUFFIXES:
        raise InputError("not a Turtle file", file=str(path), fix="save the Brick model as .ttl")
    try:
        with path.open("rb") as file:
            data = file.read(_BYTES_MAX + 1)
    except OSError as error:
        raise InputError(str(error.strerror), file=str(path), fix="give the path of a .ttl file") from error
    if len(data) > _BYTES_MAX:
        raise InputError(f"more than {_BYTES_MAX >> 20} MiB", file=str(path), fix="leave out what holds no points")
    return _points(_parsed(data, path))


def _parsed(data: bytes, path: Path) -> Any:
    try:
        import rdflib  # heavy, and only here
    except ModuleNotFoundError as missing:
        raise InputError("reading Brick needs rdflib", file=str(path), fix='pip install "aid4[bim]"') from missing
    graph = rdflib.Graph()
    try:
        graph.parse(data=data.decode("utf-8-sig"), format="turtle")
    except Exception as error:
        words = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"it is not Turtle: {words}", file=str(path), fix="mend the line that it names") from error
    return graph


def _points(graph: Any) -> list[BrickPoint]:
    from rdflib import RDF, RDFS, URIRef

    ids = _global_ids(graph)
    of = [URIRef(_BRICK + name) for name in ("isPointOf", "hasLocation", "isPartOf")]
    having = [URIRef(_BRICK + name) for name in ("hasPoint", "isLocationOf")]
    found: dict[str, BrickPoint] = {}
    for subject, kind in graph.subject_objects(RDF.type):
        name = str(kind)
        if not name.startswith(_BRICK) or not isinstance(subject, URIRef):
            continue
        way = _way(graph, subject, ids, of, having)
        if way is None:
            continue
        element, how = way
        label = next((str(one) for one in graph.objects(subject, RDFS.label)), "")
        for key in _keys(graph, subject, label):
            found.setdefault(key, BrickPoint(name=key, brick=name.removeprefix(_BRICK), element=element, how=how))
    return sorted(found.values(), key=lambda one: one.name)


def _global_ids(graph: Any) -> dict[Any, str]:
    """Subject → GlobalId, through `ref:hasExternalReference`."""
    from rdflib import URIRef

    found: dict[Any, str] = {}
    for space in _REFS:
        for node, value in graph.subject_objects(URIRef(space + "ifcGlobalID")):
            found[node] = str(value)
            for subject in graph.subjects(URIRef(_REFS[0] + "hasExternalReference"), node):
                found[subject] = str(value)
    return found


def _way(graph: Any, subject: Any, ids: dict[Any, str], of: list[Any], having: list[Any]) -> tuple[str, str] | None:
    if subject in ids and _keys(graph, subject, ""):
        return ids[subject], "ref:ifcGlobalID"
    for relation in of:
        for other in graph.objects(subject, relation):
            if other in ids:
                return ids[other], str(relation).rpartition("#")[2]
    for relation in having:
        for other in graph.subjects(relation, subject):
            if other in ids:
                return ids[other], str(relation).rpartition("#")[2]
    return None


def _keys(graph: Any, subject: Any, label: str) -> list[str]:
    """What the point may be called in a catalogue; its time-series ids, else label and the end of its IRI."""
    from rdflib import URIRef

    series: list[str] = []
    for reference in graph.objects(subject, URIRef(_REFS[0] + "hasExternalReference")):
        series += [str(one) for one in graph.objects(reference, URIRef(_REFS[0] + "hasTimeseriesId"))]
    end = str(subject).rpartition("#")[2] if "#" in str(subject) else ""
    return series or [one for one in (label, end) if "/" in one]
