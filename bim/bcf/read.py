"""Read BCF 1.0, 2.0, 2.1 and 3.0 into topics."""

from pathlib import Path, PurePosixPath
from xml.etree.ElementTree import Element

from bim.bcf.archive import Archive
from bim.bcf.read_view import read_view
from bim.bcf.topics import Comment, HeaderFile, Topic, TopicFile, Viewpoint
from bim.safe_xml import parse_xml
from wire.errors import InputError

__all__ = ["read_bcf"]

_VERSIONS = ("1.0", "2.0", "2.1", "3.0")
_TEXT_CHARS = 20_000  # of one comment or description
_LISTED_MAX = 10_000  # comments, viewpoints, labels, files of one topic
_TOPICS_MAX = 20_000
_WARNINGS_MAX = 200


def read_bcf(path: Path) -> TopicFile:
    """All topics of a file, in the order of the archive; raises InputError naming file, member and fix.

    A topic that cannot be read is left out and told in `warnings`, as long as another one can.
    """
    warnings: list[str] = []
    with Archive(path) as archive:
        version = _version(archive, warnings)
        markups = [name for name in archive.names if PurePosixPath(name).name.lower() == "markup.bcf"]
        if not markups:
            raise InputError("it holds no topic (markup.bcf)", file=str(path), fix="export the issues as BCF")
        if len(markups) > _TOPICS_MAX:
            raise InputError(f"{len(markups)} topics; the bound is {_TOPICS_MAX}", file=str(path), fix="split it")
        topics: list[Topic] = []
        failure: InputError | None = None
        for name in markups:
            try:
                topics.append(_topic(archive, name, warnings))
            except InputError as error:
                failure = error
                warnings.append(f"{name} is left out: {error.problem}")
        if failure is not None and not topics:
            raise failure
        project = _project(archive, warnings)
    rest = len(warnings) - _WARNINGS_MAX
    shown = warnings[:_WARNINGS_MAX] + ([f"and {rest} more"] if rest > 0 else [])
    return TopicFile(version=version, project=project, topics=topics, warnings=shown)


def _version(archive: Archive, warnings: list[str]) -> str:
    name = next((one for one in archive.names if one.lower() == "bcf.version"), None)
    if name is None:
        warnings.append("it does not say its version and is read as BCF 1.0")
        return "1.0"
    stated = _parse(archive, name).get("VersionId", "").strip()[:20]
    if stated not in _VERSIONS:
        known = ", ".join(_VERSIONS)
        raise InputError(
            f"BCF {stated!r} cannot be read; {known} can", file=archive.file, field=name, fix=f"save as {known}"
        )
    return stated


def _project(archive: Archive, warnings: list[str]) -> str:
    name = next((one for one in archive.names if one.lower() == "project.bcfp"), None)
    if name is None:
        return ""
    try:
        return _text(_parse(archive, name).find("Project"), "Name")
    except InputError as error:
        warnings.append(f"{name} is left out: {error.problem}")
        return ""


def _topic(archive: Archive, name: str, warnings: list[str]) -> Topic:
    root = _parse(archive, name)
    topic = root.find("Topic")
    if topic is None:
        raise InputError("it has no Topic", file=archive.file, field=name, fix="export the issues again")
    folder = str(PurePosixPath(name).parent)
    folder = "" if folder == "." else f"{folder}/"
    comments = [_comment(one) for one in [*root.findall("Comment"), *topic.findall("Comments/Comment")][:_LISTED_MAX]]
    index = _text(topic, "Index")
    return Topic(
        guid=topic.get("Guid", "")[:200] or folder.strip("/"),
        title=_text(topic, "Title"),
        type=topic.get("TopicType", "")[:200],
        status=topic.get("TopicStatus", "")[:200] or next((one.status for one in reversed(comments) if one.status), ""),
        priority=_text(topic, "Priority"),
        index=int(index) if index.isascii() and index.isdigit() and len(index) < 10 else None,
        labels=_texts(topic, "Labels/Label") or _texts(topic, "Labels"),
        stage=_text(topic, "Stage"),
        description=_text(topic, "Description"),
        author=_text(topic, "CreationAuthor"),
        date=_text(topic, "CreationDate"),
        modified_author=_text(topic, "ModifiedAuthor"),
        modified_date=_text(topic, "ModifiedDate"),
        due=_text(topic, "DueDate"),
        assigned_to=_text(topic, "AssignedTo"),
        links=_texts(topic, "ReferenceLinks/ReferenceLink") + _texts(topic, "ReferenceLink"),
        related=[
            one.get("Guid", "")[:200]
            for path in ("RelatedTopics/RelatedTopic", "RelatedTopic", "RelatedTopics")
            for one in topic.findall(path)
            if one.get("Guid")
        ],
        files=[_file(one) for one in [*root.findall("Header/File"), *root.findall("Header/Files/File")][:_LISTED_MAX]],
        comments=comments,
        viewpoints=_viewpoints(archive, root, topic, folder, warnings),
    )


def _viewpoints(archive: Archive, root: Element, topic: Element, folder: str, warnings: list[str]) -> list[Viewpoint]:
    listed = [*root.findall("Viewpoints"), *topic.findall("Viewpoints/ViewPoint")][:_LISTED_MAX]
    named = [
        (one.get("Guid", "")[:200], _text(one, "Viewpoint"), _text(one, "Snapshot"))
        for one in listed
        if one.get("Guid") or one.find("Viewpoint") is not None
    ]
    if not named and f"{folder}viewpoint.bcfv" in archive:  # BCF 1.0 has one, of a fixed name
        named = [(folder.strip("/"), "viewpoint.bcfv", "snapshot.png")]
    found: list[Viewpoint] = []
    for guid, file, snapshot in named:
        member = f"{folder}{file}"
        shown = f"{folder}{snapshot}" if snapshot and f"{folder}{snapshot}" in archive else ""
        if not file or member not in archive:
            warnings.append(f"{member or folder}: the viewpoint is not in the archive")
            found.append(Viewpoint(guid=guid, snapshot=shown))
            continue
        try:
            view = _parse(archive, member)
        except InputError as error:
            warnings.append(f"{member} is left out: {error.problem}")
            continue
        found.append(read_view(view, view.get("Guid", "")[:200] or guid, shown, warnings))
    return found


def _comment(one: Element) -> Comment:
    viewpoint = one.find("Viewpoint")
    return Comment(
        guid=one.get("Guid", "")[:200],
        text=_text(one, "Comment"),
        author=_text(one, "Author"),
        date=_text(one, "Date"),
        modified_author=_text(one, "ModifiedAuthor"),
        modified_date=_text(one, "ModifiedDate"),
        viewpoint="" if viewpoint is None else viewpoint.get("Guid", "")[:200],
        status=_text(one, "VerbalStatus") or _text(one, "Status"),
    )


def _file(one: Element) -> HeaderFile:
    return HeaderFile(
        name=_text(one, "Filename"),
        project=one.get("IfcProject", "")[:200],
        date=_text(one, "Date"),
        reference=_text(one, "Reference"),
    )


def _parse(archive: Archive, name: str) -> Element:
    try:
        return parse_xml(archive.read(name), archive.file)
    except InputError as error:
        field = " ".join(part for part in (name, error.field) if part and part != name) or name
        raise InputError(error.problem, file=archive.file, field=field, fix=error.fix) from error


def _text(element: Element | None, tag: str) -> str:
    text = None if element is None else element.findtext(tag)
    return (text or "").strip()[:_TEXT_CHARS]


def _texts(element: Element, path: str) -> list[str]:
    found = [(one.text or "").strip()[:_TEXT_CHARS] for one in element.findall(path)[:_LISTED_MAX]]
    return [text for text in found if text]
