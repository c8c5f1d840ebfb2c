"""A viewpoint as a BCF 3.0 document (visinfo.xsd): components, then the camera, in the order of the schema."""

from xml.etree.ElementTree import Element, SubElement

from bim.bcf.topics import Camera, Vector, Viewpoint

__all__ = ["view_document"]

_ANGLE_DEG = 60.0


def view_document(view: Viewpoint) -> Element:
    """The root of a .bcfv."""
    root = Element("VisualizationInfo", Guid=view.guid)
    components = SubElement(root, "Components")
    if view.elements:
        _components(SubElement(components, "Selection"), view.elements)
    visibility = SubElement(components, "Visibility", DefaultVisibility=_flag(view.visible_by_default))
    SubElement(
        visibility, "ViewSetupHints", SpacesVisible="false", SpaceBoundariesVisible="false", OpeningsVisible="false"
    )
    if view.exceptions:
        _components(SubElement(visibility, "Exceptions"), view.exceptions)
    if view.coloring:
        coloring = SubElement(components, "Coloring")
        for one in view.coloring:
            color = SubElement(coloring, "Color", Color=one.color.upper())
            _components(SubElement(color, "Components"), one.elements)
    if view.camera is not None:
        _camera(root, view.camera)
    return root


def _components(above: Element, ids: list[str]) -> None:
    for one in dict.fromkeys(ids):
        SubElement(above, "Component", IfcGuid=one)


def _camera(root: Element, camera: Camera) -> None:
    perspective = camera.view_height_m is None
    found = SubElement(root, "PerspectiveCamera" if perspective else "OrthogonalCamera")
    _vector(found, "CameraViewPoint", camera.position)
    _vector(found, "CameraDirection", camera.direction)
    _vector(found, "CameraUpVector", camera.up)
    if perspective:
        SubElement(found, "FieldOfView").text = repr(float(camera.field_of_view_deg or _ANGLE_DEG))
    else:
        SubElement(found, "ViewToWorldScale").text = repr(float(camera.view_height_m or 1.0))
    SubElement(found, "AspectRatio").text = repr(float(camera.aspect_ratio))


def _vector(above: Element, tag: str, vector: Vector) -> None:
    found = SubElement(above, tag)
    for axis, number in zip("XYZ", vector, strict=True):
        SubElement(found, axis).text = repr(float(number))


def _flag(value: bool) -> str:
    return "true" if value else "false"
