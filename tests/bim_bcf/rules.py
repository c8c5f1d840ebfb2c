"""What the schemas of BCF 3.0 demand (markup, visinfo, extensions, project, version), written down from their text.

A rule of an element: its children in order, each with how often it may stand there, and its attributes. Independent
of the writer: a document is walked, and everything that a schema would refuse is listed.
"""

import re
from xml.etree.ElementTree import Element

ONE, OPTIONAL, MANY, SOME = (1, 1), (0, 1), (0, 10**6), (1, 10**6)
GUID = re.compile(r"[a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12}")
IFC_GUID = re.compile(r"[0-9A-Za-z_$]{22}")
DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][-+]?\d+)?")
BOOL, WORD, COLOR = re.compile("true|false"), re.compile(r"(?s).*\S.*"), re.compile("([0-9A-F]{2}){3,4}")

VECTOR = [("X", ONE), ("Y", ONE), ("Z", ONE)]
CAMERA = [("CameraViewPoint", ONE), ("CameraDirection", ONE), ("CameraUpVector", ONE)]
CHILDREN: dict[str, list[tuple[str, tuple[int, int]]]] = {
    "Version": [],
    "ProjectInfo": [("Project", ONE)],
    "Project": [("Name", OPTIONAL)],
    "Extensions": [
        ("TopicTypes", OPTIONAL), ("TopicStatuses", OPTIONAL), ("Priorities", OPTIONAL), ("TopicLabels", OPTIONAL),
        ("Users", OPTIONAL), ("SnippetTypes", OPTIONAL), ("Stages", OPTIONAL),
    ],
    "TopicTypes": [("TopicType", MANY)], "TopicStatuses": [("TopicStatus", MANY)], "Priorities": [("Priority", MANY)],
    "TopicLabels": [("TopicLabel", MANY)], "Users": [("User", MANY)], "Stages": [("Stage", MANY)],
    "Markup": [("Header", OPTIONAL), ("Topic", ONE)],
    "Header": [("Files", OPTIONAL)],
    "Files": [("File", MANY)],
    "File": [("Filename", OPTIONAL), ("Date", OPTIONAL), ("Reference", OPTIONAL)],
    "Topic": [
        ("ReferenceLinks", OPTIONAL), ("Title", ONE), ("Priority", OPTIONAL), ("Index", OPTIONAL), ("Labels", OPTIONAL),
        ("CreationDate", ONE), ("CreationAuthor", ONE), ("ModifiedDate", OPTIONAL), ("ModifiedAuthor", OPTIONAL),
        ("DueDate", OPTIONAL), ("AssignedTo", OPTIONAL), ("Stage", OPTIONAL), ("Description", OPTIONAL),
        ("BimSnippet", OPTIONAL), ("DocumentReferences", OPTIONAL), ("RelatedTopics", OPTIONAL),
        ("Comments", OPTIONAL), ("Viewpoints", OPTIONAL),
    ],
    "ReferenceLinks": [("ReferenceLink", MANY)], "Labels": [("Label", MANY)],
    "RelatedTopics": [("RelatedTopic", MANY)], "RelatedTopic": [],
    "Comments": [("Comment", MANY)],
    "Comment": [
        ("Date", ONE), ("Author", ONE), ("Comment", OPTIONAL), ("Viewpoint", OPTIONAL), ("ModifiedDate", OPTIONAL),
        ("ModifiedAuthor", OPTIONAL),
    ],
    "Viewpoints": [("ViewPoint", MANY)],
    "ViewPoint": [("Viewpoint", OPTIONAL), ("Snapshot", OPTIONAL), ("Index", OPTIONAL)],
    "VisualizationInfo": [
        ("Components", OPTIONAL), ("OrthogonalCamera", OPTIONAL), ("PerspectiveCamera", OPTIONAL), ("Lines", OPTIONAL),
        ("ClippingPlanes", OPTIONAL), ("Bitmaps", OPTIONAL),
    ],
    "Selection": [("Component", SOME)], "Exceptions": [("Component", SOME)],
    "Visibility": [("ViewSetupHints", OPTIONAL), ("Exceptions", OPTIONAL)], "ViewSetupHints": [],
    "Coloring": [("Color", SOME)], "Color": [("Components", ONE)],
    "Component": [("OriginatingSystem", OPTIONAL), ("AuthoringToolId", OPTIONAL)],
    "PerspectiveCamera": [*CAMERA, ("FieldOfView", ONE), ("AspectRatio", ONE)],
    "OrthogonalCamera": [*CAMERA, ("ViewToWorldScale", ONE), ("AspectRatio", ONE)],
    "CameraViewPoint": VECTOR, "CameraDirection": VECTOR, "CameraUpVector": VECTOR,
}  # fmt: skip
VIEW_COMPONENTS = [("Selection", OPTIONAL), ("Visibility", ONE), ("Coloring", OPTIONAL)]
COLOR_COMPONENTS = [("Component", SOME)]
# attribute: (pattern, needed)
ATTRIBUTES: dict[str, dict[str, tuple[re.Pattern[str], bool]]] = {
    "Version": {"VersionId": (re.compile("3.0"), True)},
    "Project": {"ProjectId": (GUID, True)},
    "File": {"IfcProject": (IFC_GUID, False), "IsExternal": (BOOL, False)},
    "Topic": {"Guid": (GUID, True), "TopicType": (WORD, True), "TopicStatus": (WORD, True)},
    "RelatedTopic": {"Guid": (GUID, True)},
    "Comment": {"Guid": (GUID, True)},
    "ViewPoint": {"Guid": (GUID, True)},
    "VisualizationInfo": {"Guid": (GUID, True)},
    "Component": {"IfcGuid": (IFC_GUID, False), "AuthoringToolId": (WORD, False)},
    "Visibility": {"DefaultVisibility": (BOOL, False)},
    "ViewSetupHints": dict.fromkeys(("SpacesVisible", "SpaceBoundariesVisible", "OpeningsVisible"), (BOOL, False)),
    "Color": {"Color": (COLOR, False)},
}
TEXTS = {
    **dict.fromkeys(("CreationDate", "ModifiedDate", "DueDate", "Date"), DATE),
    **dict.fromkeys(("X", "Y", "Z", "FieldOfView", "AspectRatio", "ViewToWorldScale"), NUMBER),
    "Index": re.compile(r"-?\d+"),
}
LEAVES = {
    "Name", "Title", "Priority", "Label", "TopicType", "TopicStatus", "TopicLabel", "User", "Stage", "CreationAuthor",
    "ModifiedAuthor", "AssignedTo", "Description", "Author", "Filename", "Reference", "ReferenceLink", "Snapshot",
    *TEXTS,
}  # fmt: skip


def breaches(element: Element, above: str = "") -> list[str]:
    """Every way in which a document breaks the schemas."""
    tag, found = element.tag, []
    if (tag == "Viewpoint" and above == "ViewPoint") or (tag == "Comment" and above == "Comment"):
        return [] if (element.text or "").strip() and not len(element) else [f"{above}/{tag}: no text"]
    if tag == "Viewpoint" and above == "Comment":
        return [] if GUID.fullmatch(element.get("Guid", "")) else ["Comment/Viewpoint: its Guid"]
    if tag in LEAVES:
        ok = TEXTS.get(tag, WORD).fullmatch((element.text or "").strip()) and not len(element)
        return [] if ok else [f"{tag}: {element.text!r}"]
    rule = CHILDREN.get(tag)
    if tag == "Components":
        rule = VIEW_COMPONENTS if above == "VisualizationInfo" else COLOR_COMPONENTS
    if rule is None:
        return [f"{tag}: not in the schema"]
    order = [name for name, _ in rule]
    tags = [child.tag for child in element]
    found += [f"{tag}: {name} has no place there" for name in tags if name not in order]
    known = [order.index(name) for name in tags if name in order]
    if known != sorted(known):
        found.append(f"{tag}: children in the order {tags}")
    for name, (low, high) in rule:
        if not low <= tags.count(name) <= high:
            found.append(f"{tag}: {tags.count(name)} {name}")
    attributes = ATTRIBUTES.get(tag, {})
    found += [f"{tag}: attribute {name}" for name in element.attrib if name not in attributes]
    for name, (pattern, needed) in attributes.items():
        value = element.get(name)
        if (value is None and needed) or (value is not None and not pattern.fullmatch(value)):
            found.append(f"{tag}: {name}={value!r}")
    for child in element:
        found += breaches(child, tag)
    return found
