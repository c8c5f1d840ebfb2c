"""A viewpoint (.bcfv) of any BCF version.

1.0 and 2.0 list components with attributes `Selected`, `Visible` and `Color`; 2.1 and 3.0 have lists of each kind.
"""

import math
from collections.abc import Iterator
from xml.etree.ElementTree import Element

from bim.bcf.topics import Camera, Coloring, Vector, Viewpoint

__all__ = ["read_view"]

_COMPONENTS_MAX = 200_000  # of one list; a selection of everything in a large model
_TEXT_CHARS = 200
_FIELD_OF_VIEW_DEG = 60.0


def read_view(root: Element, guid: str, snapshot: str, warnings: list[str]) -> Viewpoint:
    """What a viewpoint's document says; what cannot be read of it is told in `warnings`."""
    components = root.find("Components")
    old = [] if components is None else components.findall("Component")
    selected = list(_ids(root, "Components/Selection/Component"))
    visibility = root.find("Components/Visibility")
    by_default = visibility is None or visibility.get("DefaultVisibility", "true").lower() not in ("false", "0")
    exceptions = list(_ids(root, "Components/Visibility/Exceptions/Component"))
    coloring = list(_coloring(root))
    if old:
        chosen = [one for one in old if _true(one.get("Selected"))]
        marked = any(one.get(name) for one in old for name in ("Selected", "Visible", "Color"))
        selected += _known(chosen if marked else old)
        exceptions += _known([one for one in old if one.get("Visible", "true").lower() in ("false", "0")])
        coloring += _old_coloring(old)
    camera = None
    try:
        camera = _camera(root)
    except ValueError as error:
        warnings.append(f"viewpoint {guid}: its camera cannot be read: {error}")
    return Viewpoint(
        guid=guid,
        camera=camera,
        elements=selected[:_COMPONENTS_MAX],
        visible_by_default=by_default,
        exceptions=exceptions[:_COMPONENTS_MAX],
        coloring=coloring,
        lines=len(root.findall("Lines/Line")),
        clipping_planes=len(root.findall("ClippingPlanes/ClippingPlane")),
        snapshot=snapshot,
    )


def _camera(root: Element) -> Camera | None:
    """Raises ValueError for numbers that are none, or a direction without a length."""
    for tag in ("PerspectiveCamera", "OrthogonalCamera"):
        found = root.find(tag)
        if found is None:
            continue
        position, direction, up = (
            _vector(found.find(name)) for name in ("CameraViewPoint", "CameraDirection", "CameraUpVector")
        )
        if math.hypot(*direction) < 1e-12:
            raise ValueError("its direction has no length")
        ratio = _number(found, "AspectRatio", 1.0)
        if tag == "PerspectiveCamera":
            angle = _number(found, "FieldOfView", _FIELD_OF_VIEW_DEG)
            return Camera(position=position, direction=direction, up=up, field_of_view_deg=angle, aspect_ratio=ratio)
        height = _number(found, "ViewToWorldScale", 1.0)
        return Camera(position=position, direction=direction, up=up, view_height_m=height, aspect_ratio=ratio)
    return None


def _vector(element: Element | None) -> Vector:
    if element is None:
        raise ValueError("a part of it is missing")
    return _number(element, "X"), _number(element, "Y"), _number(element, "Z")


def _number(element: Element, tag: str, default: float | None = None) -> float:
    text = element.findtext(tag)
    if text is None and default is not None:
        return default
    plain = (text or "").strip()[:64]
    value = float(plain)
    if not math.isfinite(value) or "_" in plain:
        raise ValueError(f"{tag} is no number")
    return value


def _ids(root: Element, path: str) -> Iterator[str]:
    return iter(_known(root.findall(path)))


def _known(components: list[Element]) -> list[str]:
    return [one.get("IfcGuid", "")[:_TEXT_CHARS] for one in components[:_COMPONENTS_MAX] if one.get("IfcGuid")]


def _coloring(root: Element) -> Iterator[Coloring]:
    for color in root.findall("Components/Coloring/Color"):
        found = _known([*color.findall("Component"), *color.findall("Components/Component")])
        if found and _is_color(color.get("Color", "")):
            yield Coloring(color.get("Color", ""), found)


def _old_coloring(components: list[Element]) -> list[Coloring]:
    groups: dict[str, list[str]] = {}
    for one in components[:_COMPONENTS_MAX]:
        color = one.get("Color", "")
        if _is_color(color) and one.get("IfcGuid"):
            groups.setdefault(color, []).append(one.get("IfcGuid", "")[:_TEXT_CHARS])
    return [Coloring(color, ids) for color, ids in groups.items()]


def _is_color(text: str) -> bool:
    return len(text) in (6, 8) and all(one in "0123456789abcdefABCDEF" for one in text)


def _true(text: str | None) -> bool:
    return (text or "").lower() in ("true", "1")
