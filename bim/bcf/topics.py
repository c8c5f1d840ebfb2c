"""Topics of BCF, whatever version they came in. Times are ISO 8601; lengths metres; angles degrees."""

from typing import Annotated

import msgspec
from msgspec import Meta

__all__ = ["Camera", "Coloring", "Comment", "HeaderFile", "Topic", "TopicFile", "Vector", "Viewpoint"]

Vector = tuple[float, float, float]


class Camera(msgspec.Struct, frozen=True, kw_only=True):
    """A perspective camera (`field_of_view_deg`, of the height) or an orthogonal one (`view_height_m`)."""

    position: Vector
    direction: Vector
    up: Vector
    field_of_view_deg: float | None = None
    view_height_m: float | None = None
    aspect_ratio: float = 1.0  # width to height


class Coloring(msgspec.Struct, frozen=True):
    """Elements in a colour, `RRGGBB` or `AARRGGBB`."""

    color: Annotated[str, Meta(pattern="^([0-9A-Fa-f]{2}){3,4}$")]
    elements: list[str]


class Viewpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One view; `elements` are selected. `exceptions` are hidden, or shown where the default is not to be seen."""

    guid: str
    camera: Camera | None = None
    elements: list[str] = []
    visible_by_default: bool = True
    exceptions: list[str] = []
    coloring: list[Coloring] = []
    lines: int = 0  # how many lines and clipping planes it draws
    clipping_planes: int = 0
    snapshot: str = ""  # name of its member in the archive


class Comment(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody said, perhaps about a viewpoint."""

    guid: str
    text: str
    author: str = ""
    date: str = ""
    modified_author: str = ""
    modified_date: str = ""
    viewpoint: str = ""
    status: str = ""  # BCF 1 and 2.0 put the topic's status there


class HeaderFile(msgspec.Struct, frozen=True, kw_only=True):
    """A model that a topic is about; `project` is the GlobalId of its IfcProject."""

    name: str = ""
    project: str = ""
    date: str = ""
    reference: str = ""


class Topic(msgspec.Struct, frozen=True, kw_only=True):
    """One issue."""

    guid: str
    title: str
    type: str = ""
    status: str = ""
    priority: str = ""
    index: int | None = None
    labels: list[str] = []
    stage: str = ""
    description: str = ""
    author: str = ""
    date: str = ""
    modified_author: str = ""
    modified_date: str = ""
    due: str = ""
    assigned_to: str = ""
    links: list[str] = []  # shown, never followed
    related: list[str] = []
    files: list[HeaderFile] = []
    comments: list[Comment] = []
    viewpoints: list[Viewpoint] = []


class TopicFile(msgspec.Struct, frozen=True, kw_only=True):
    """One .bcfzip; `version` as it says itself, "1.0" for one that does not."""

    version: str
    project: str = ""
    topics: list[Topic]
    warnings: list[str] = []
