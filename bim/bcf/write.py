"""Topics into one BCF 3.0 file: version, project, extensions, and a folder for each topic.

Elements stand in the order of the schemas (markup.xsd, extensions.xsd, version.xsd, project.xsd); each value that a
schema takes from the extensions is listed there. The same topics give the same bytes.
"""

import re
import uuid
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from msgspec.structs import replace

from bim.bcf.topics import Comment, Topic, Viewpoint
from bim.bcf.write_view import view_document
from wire.errors import InputError

__all__ = ["write_bcf"]

_VERSION = "3.0"
_STAMP = (2026, 1, 1, 0, 0, 0)  # of every member, so that the same topics give the same bytes
_NAMESPACE = uuid.UUID("5f0f4a57-7d0e-5a37-9e0d-0a3d5a8b6c11")
_UNSET = "Unspecified"  # type and status are required
_AUTHOR, _DATE = "AID4", "1970-01-01T00:00:00Z"  # where a topic from elsewhere says none; both are required
_GUID = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}\Z")
_XML_REFUSES = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
_SNAPSHOT_BYTES_MAX = 16 << 20


def write_bcf(
    topics: Iterable[Topic],
    path: Path,
    *,
    project: str = "",
    snapshots: Mapping[str, bytes] | None = None,
    progress: Callable[[], None] = lambda: None,
) -> None:
    """Write a .bcf; `snapshots` are PNG or JPEG images by the guid of a viewpoint.

    Raises InputError for a snapshot that is no image, or two topics of one guid.
    """
    found = list(topics)
    guids = [_guid(topic.guid) for topic in found]
    twice = next((one for one in guids if guids.count(one) > 1), None) if len(set(guids)) < len(guids) else None
    if twice is not None:
        raise InputError(f"two topics have the guid {twice}", file=str(path), field="guid", fix="give each its own")
    part = path.with_name(f".{path.name}.part")
    try:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
            _add(archive, "bcf.version", _document(Element("Version", VersionId=_VERSION)))
            _add(archive, "project.bcfp", _document(_project(project)))
            _add(archive, "extensions.xml", _document(_extensions(found)))
            for topic, guid in zip(found, guids, strict=True):
                _topic(archive, topic, guid, snapshots or {})
                progress()
        part.replace(path)
    except OSError as error:
        raise InputError(str(error.strerror), file=str(path), fix="give a path that can be written") from error
    finally:
        part.unlink(missing_ok=True)


def _topic(archive: zipfile.ZipFile, topic: Topic, guid: str, snapshots: Mapping[str, bytes]) -> None:
    views = [(view, _guid(view.guid)) for view in topic.viewpoints]
    images = {name: _image(snapshots[view.guid], name) for view, name in views if view.guid in snapshots}
    _add(archive, f"{guid}/markup.bcf", _document(_markup(topic, guid, views, images)))
    for view, name in views:
        _add(archive, f"{guid}/Viewpoint_{name}.bcfv", _document(view_document(replace(view, guid=name))))
        if name in images:
            _add(archive, f"{guid}/Snapshot_{name}{images[name]}", snapshots[view.guid])


def _markup(topic: Topic, guid: str, views: list[tuple[Viewpoint, str]], images: Mapping[str, str]) -> Element:
    root = Element("Markup")
    if topic.files:
        files = SubElement(SubElement(root, "Header"), "Files")
        for file in topic.files:
            project = {"IfcProject": file.project} if file.project else {}
            found = SubElement(files, "File", {**project, "IsExternal": "true"})
            _texts(found, ("Filename", file.name), ("Date", file.date), ("Reference", file.reference))
    status = {"TopicType": _clean(topic.type) or _UNSET, "TopicStatus": _clean(topic.status) or _UNSET}
    found = SubElement(root, "Topic", {"Guid": guid, **status})
    _list(found, "ReferenceLinks", "ReferenceLink", topic.links)
    SubElement(found, "Title").text = _clean(topic.title) or _UNSET
    _texts(found, ("Priority", topic.priority), ("Index", "" if topic.index is None else str(topic.index)))
    _list(found, "Labels", "Label", topic.labels)
    SubElement(found, "CreationDate").text = topic.date or _DATE
    SubElement(found, "CreationAuthor").text = _clean(topic.author) or _AUTHOR
    _texts(
        found,
        ("ModifiedDate", topic.modified_date),
        ("ModifiedAuthor", topic.modified_author),
        ("DueDate", topic.due),
        ("AssignedTo", topic.assigned_to),
        ("Stage", topic.stage),
        ("Description", topic.description),
    )
    if topic.related:
        related = SubElement(found, "RelatedTopics")
        for one in topic.related:
            SubElement(related, "RelatedTopic", Guid=_guid(one))
    if topic.comments:
        comments = SubElement(found, "Comments")
        for number, comment in enumerate(topic.comments):
            _comment(comments, comment, f"{guid}/comment/{number}")
    if views:
        above = SubElement(found, "Viewpoints")
        for number, (_, name) in enumerate(views):
            view = SubElement(above, "ViewPoint", Guid=name)
            snapshot = f"Snapshot_{name}{images[name]}" if name in images else ""
            _texts(view, ("Viewpoint", f"Viewpoint_{name}.bcfv"), ("Snapshot", snapshot), ("Index", str(number)))
    return root


def _comment(above: Element, comment: Comment, path: str) -> None:
    found = SubElement(above, "Comment", Guid=_guid(comment.guid or path))
    SubElement(found, "Date").text = comment.date or _DATE
    SubElement(found, "Author").text = _clean(comment.author) or _AUTHOR
    _texts(found, ("Comment", comment.text))
    if comment.viewpoint:
        SubElement(found, "Viewpoint", Guid=_guid(comment.viewpoint))
    _texts(found, ("ModifiedDate", comment.modified_date), ("ModifiedAuthor", comment.modified_author))


def _project(name: str) -> Element:
    root = Element("ProjectInfo")
    found = SubElement(root, "Project", ProjectId=_guid(f"project/{name}"))
    _texts(found, ("Name", name))
    return root


def _extensions(topics: list[Topic]) -> Element:
    """Every value of the topics that a schema takes from a list."""
    root = Element("Extensions")
    users = [one for topic in topics for one in (topic.author or _AUTHOR, topic.modified_author, topic.assigned_to)]
    users += [one for topic in topics for c in topic.comments for one in (c.author or _AUTHOR, c.modified_author)]
    _list(root, "TopicTypes", "TopicType", _distinct(topic.type or _UNSET for topic in topics))
    _list(root, "TopicStatuses", "TopicStatus", _distinct(topic.status or _UNSET for topic in topics))
    _list(root, "Priorities", "Priority", _distinct(topic.priority for topic in topics))
    _list(root, "TopicLabels", "TopicLabel", _distinct(one for topic in topics for one in topic.labels))
    _list(root, "Users", "User", _distinct(users))
    _list(root, "Stages", "Stage", _distinct(topic.stage for topic in topics))
    return root


def _distinct(values: Iterable[str]) -> list[str]:
    return sorted({_clean(value) for value in values if _clean(value)})


def _list(above: Element, plural: str, singular: str, values: list[str]) -> None:
    if values:
        found = SubElement(above, plural)
        for value in values:
            SubElement(found, singular).text = _clean(value)


def _texts(above: Element, *pairs: tuple[str, str]) -> None:
    """Children of which each is left out where it has nothing to say."""
    for tag, value in pairs:
        if _clean(value):
            SubElement(above, tag).text = _clean(value)


def _clean(text: str) -> str:
    """Without what XML cannot hold."""
    return _XML_REFUSES.sub("\ufffd", text).strip()


def _guid(name: str) -> str:
    """A GUID in its small spelling; of another name one that depends on it only."""
    low = name.lower()
    return low if _GUID.match(low) else str(uuid.uuid5(_NAMESPACE, name))


def _image(data: bytes, name: str) -> str:
    """The ending of an image's name; raises InputError for anything else."""
    kind = ".png" if data.startswith(_PNG) else ".jpg" if data.startswith(_JPEG) else ""
    if not kind or len(data) > _SNAPSHOT_BYTES_MAX:
        problem = "it is neither PNG nor JPEG" if not kind else f"more than {_SNAPSHOT_BYTES_MAX >> 20} MiB"
        raise InputError(problem, field=f"snapshot of {name}", fix="give a PNG or JPEG image of at most 16 MiB")
    return kind


def _document(root: Element) -> bytes:
    indent(root, " ")
    text: str = tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'.encode()


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    member = zipfile.ZipInfo(name, _STAMP)
    member.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(member, data)
