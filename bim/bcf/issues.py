"""Topics from issues that a person or a program writes down, and from what `aid4 bim check` found.

A list of issues (JSON) holds objects of

    {"title": "Sensor missing", "elements": ["3If4otxpvBjO9DSa$bK$$x"], "description": "…", "type": "Clash",
     "status": "Open", "priority": "High", "labels": ["HVAC"], "assigned_to": "a@b.c", "due": "2026-07-01T00:00:00Z",
     "stage": "…", "comments": ["…"], "isolate": true}

of which the title is needed. Guids follow from the model, the title and the elements: the same issue is the same
topic in every export.
"""

import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from bim.bcf.camera import Box, around, look_at
from bim.bcf.topics import Coloring, Comment, HeaderFile, Topic, Viewpoint
from wire.errors import InputError

__all__ = ["Issue", "issues_of_check", "read_issues", "topics_of"]

_NAMESPACE = uuid.UUID("9d9ce1ae-38d8-5c52-a0c9-7d5f7d1b0a52")
_FILE_BYTES_MAX = 32 << 20
_RED = "FFE53935"
_Text = Annotated[str, Meta(max_length=20_000)]
_Short = Annotated[str, Meta(max_length=500)]


class Issue(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing that somebody should look at. `date` and `due` are ISO 8601 with an offset or Z."""

    title: Annotated[str, Meta(min_length=1, max_length=500)]
    elements: Annotated[list[_Short], Meta(max_length=10_000)] = []
    description: _Text = ""
    type: _Short = "Issue"
    status: _Short = "Open"
    priority: _Short = ""
    labels: Annotated[list[_Short], Meta(max_length=100)] = []
    stage: _Short = ""
    author: _Short = "AID4"
    assigned_to: _Short = ""
    due: _Short = ""
    comments: Annotated[list[_Text], Meta(max_length=1_000)] = []
    isolate: bool = False  # show the elements alone


class _Seen(msgspec.Struct):
    """A finding of a check."""

    check: str
    severity: str
    message: str
    elements: list[str]


class _Failure(msgspec.Struct):
    """An element that does not meet a requirement."""

    global_id: str
    reason: str


class _Asked(msgspec.Struct):
    """A requirement."""

    text: str
    met: bool
    elements: list[_Failure]


class _Specified(msgspec.Struct):
    """A specification."""

    name: str
    met: bool
    requirements: list[_Asked]


class _Document(msgspec.Struct):
    """The report of one IDS."""

    specifications: list[_Specified]


def read_issues(path: Path) -> list[Issue]:
    """Issues of a JSON list, or of a check.json; raises InputError naming file, field and fix."""
    try:
        with path.open("rb") as file:
            data = file.read(_FILE_BYTES_MAX + 1)
        if len(data) > _FILE_BYTES_MAX:
            raise InputError(f"more than {_FILE_BYTES_MAX >> 20} MiB", file=str(path), fix="split it")
        given = msgspec.json.decode(data)
        if isinstance(given, dict) and "findings" in given:
            return issues_of_check(given)
        return msgspec.convert(given, type=list[Issue])
    except OSError as error:
        raise InputError(str(error.strerror), file=str(path), fix="give a JSON file of issues") from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        problem, _, at = str(error).partition(" - at ")
        fix = "write a list of issues as bim/bcf/issues.py shows it"
        raise InputError(problem, file=str(path), field=at.strip("`"), fix=fix) from error


def issues_of_check(report: Mapping[str, Any]) -> list[Issue]:
    """Issues of the document of `aid4 bim check --json`: one a finding, one an unmet requirement."""
    findings = msgspec.convert(report.get("findings", []), type=list[_Seen])
    found = [
        Issue(title=one.message, elements=one.elements, type="Model check", labels=[one.check], priority=one.severity)
        for one in findings
        if one.severity != "note"
    ]
    for document in msgspec.convert(report.get("ids", []), type=list[_Document]):
        for specification in document.specifications:
            for asked in specification.requirements if not specification.met else ():
                if not asked.met:
                    reasons = dict.fromkeys(one.reason for one in asked.elements)
                    found.append(
                        Issue(
                            title=f"{specification.name}: {asked.text}"[:500],
                            elements=[one.global_id for one in asked.elements if one.global_id],
                            type="IDS",
                            description="\n".join(list(reasons)[:20]),
                        )
                    )
    return found


def topics_of(
    issues: Sequence[Issue], boxes: Mapping[str, Box], model: HeaderFile, date: str, sha256: str = ""
) -> tuple[list[Topic], list[str]]:
    """Topics with a view of their elements, and the elements whose place is not known. `date` is ISO 8601."""
    topics: dict[str, Topic] = {}
    lost: list[str] = []
    for issue in issues:
        name = "\n".join((sha256, model.project, issue.title, *issue.elements))
        guid = str(uuid.uuid5(_NAMESPACE, name))
        lost += [one for one in issue.elements if one not in boxes]
        views = _views(issue, boxes, guid)
        comments = [
            Comment(
                guid=str(uuid.uuid5(_NAMESPACE, f"{guid}/{number}")),
                text=text,
                author=issue.author,
                date=date,
                viewpoint=views[0].guid if views else "",
            )
            for number, text in enumerate(issue.comments)
        ]
        topics[guid] = Topic(
            guid=guid,
            title=issue.title,
            type=issue.type,
            status=issue.status,
            priority=issue.priority,
            index=len(topics),
            labels=issue.labels,
            stage=issue.stage,
            description=issue.description,
            author=issue.author,
            date=date,
            due=issue.due,
            assigned_to=issue.assigned_to,
            files=[model],
            comments=comments,
            viewpoints=views,
        )
    return list(topics.values()), list(dict.fromkeys(lost))


def _views(issue: Issue, boxes: Mapping[str, Box], topic: str) -> list[Viewpoint]:
    """One view of all elements; none for an issue about no element."""
    if not issue.elements:
        return []
    placed = [boxes[one] for one in issue.elements if one in boxes]
    return [
        Viewpoint(
            guid=str(uuid.uuid5(_NAMESPACE, f"{topic}/view")),
            camera=look_at(around(placed)) if placed else None,
            elements=issue.elements,
            visible_by_default=not issue.isolate,
            exceptions=issue.elements if issue.isolate else [],
            coloring=[Coloring(_RED, issue.elements)],
        )
    ]
