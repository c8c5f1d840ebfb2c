"""`aid4 bim bcf out` and `in`: issues to and from other people's tools."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec
import pyarrow.compute as pc

from bim.bcf.boxes import boxes_of
from bim.bcf.issues import Issue, read_issues, topics_of
from bim.bcf.read import read_bcf
from bim.bcf.topics import HeaderFile, Topic
from bim.bcf.write import write_bcf
from bim.command_options import AS_JSON, MODEL, limits_of, opened, reader_bounds
from wire.errors import InputError

__all__ = ["bcf"]

_SHOWN = 20


@click.group()
def bcf() -> None:
    """Issues about elements of a model, as BCF files."""


@bcf.command("out")
@MODEL
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--issues", type=click.Path(path_type=Path), help="JSON list of issues, or the JSON of `aid4 bim check`.")
@click.option("--element", "elements", multiple=True, help="GlobalId; with --title, one issue about these elements.")
@click.option("--title", default="", help="Title of the issue about --element.")
@click.option("--comment", "comments", multiple=True, help="Comment on that issue.")
@click.option("--snapshot", type=click.Path(path_type=Path), help="PNG or JPEG of that issue's view.")
@click.option("--at", "date", default="", help="When the issues were written, ISO 8601. Default: now.")
@reader_bounds
@AS_JSON
def write_out(
    file: str,
    out: Path,
    issues: Path | None,
    elements: tuple[str, ...],
    title: str,
    comments: tuple[str, ...],
    snapshot: Path | None,
    date: str,
    memory_mib: int,
    seconds: float,
    as_json: bool,
) -> None:
    """Write issues about elements of a model as BCF 3.0, each with a view that looks at its elements."""
    found = read_issues(issues) if issues else []
    if title:
        found.append(Issue(title=title, elements=list(elements), comments=list(comments)))
    if not found:
        raise InputError("no issue is given", field="--issues", fix="give --issues FILE, or --title and --element")
    stamp = _stamp(date)
    with opened(file, memory_mib, seconds) as (summary, tables):
        table = tables["elements"]
        project = table.filter(pc.equal(table["category"], "project"))
        name = project["id"][0].as_py() if project.num_rows else ""
        wanted = list(dict.fromkeys(one for issue in found for one in issue.elements))
        boxes = boxes_of(file, wanted, limits_of(memory_mib, seconds)) if wanted else {}
        header = HeaderFile(name=summary.file, project=name)
        topics, lost = topics_of(found, boxes, header, stamp, summary.sha256)
    images = _images(snapshot, topics[-1:]) if snapshot else {}
    with click.progressbar(length=len(topics), label="writing", file=sys.stderr, hidden=_hidden(as_json)) as bar:
        write_bcf(topics, out, project=summary.project, snapshots=images, progress=lambda: bar.update(1))
    if as_json:
        rows = [{"guid": one.guid, "title": one.title, "views": len(one.viewpoints)} for one in topics]
        click.echo(
            json.dumps({"out": str(out), "version": "3.0", "topics": rows, "not_found": lost}, ensure_ascii=False)
        )
        return
    click.echo(f"{out}: {len(topics)} topics")
    for one in lost[:_SHOWN]:
        click.echo(f"the model has no element {one}, or it has no place", err=True)


@bcf.command("in")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--model", type=click.Path(path_type=str), help="IFC file: tell which elements it has.")
@reader_bounds
@AS_JSON
def read_in(file: Path, model: str | None, memory_mib: int, seconds: float, as_json: bool) -> None:
    """Read a BCF file of version 1.0, 2.0, 2.1 or 3.0."""
    found = read_bcf(file)
    document: dict[str, Any] = {"file": file.name, **msgspec.to_builtins(found)}
    if model is not None:
        named = {
            one for topic in found.topics for view in topic.viewpoints for one in (*view.elements, *view.exceptions)
        }
        with opened(model, memory_mib, seconds) as (_, tables):
            known = named & set(tables["elements"]["id"].to_pylist())
        document["elements"] = {"known": sorted(known), "unknown": sorted(named - known)}
    if as_json:
        click.echo(json.dumps(document, ensure_ascii=False))
        return
    click.echo(f"BCF {found.version}, {len(found.topics)} topics")
    for topic in found.topics:
        _print(topic)
    for warning in found.warnings:
        click.echo(warning, err=True)


def _print(topic: Topic) -> None:
    click.echo(f"{topic.title}  [{', '.join(part for part in (topic.type, topic.status, topic.priority) if part)}]")
    for comment in topic.comments[:_SHOWN]:
        click.echo(f"  {comment.author}: {comment.text}")
    for view in topic.viewpoints[:_SHOWN]:
        where = (
            "no camera" if view.camera is None else f"from ({', '.join(f'{x:.2f}' for x in view.camera.position)}) m"
        )
        click.echo(f"  view {where}, {len(view.elements)} elements")


def _hidden(as_json: bool) -> bool:
    return as_json or not sys.stderr.isatty()


def _stamp(date: str) -> str:
    try:
        at = datetime.fromisoformat(date) if date else datetime.now(UTC)
    except ValueError as error:
        raise InputError(str(error), field="--at", fix="write 2026-07-01T12:00:00Z") from error
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return at.astimezone(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")


def _images(path: Path, topics: list[Topic]) -> dict[str, bytes]:
    views = [view for topic in topics for view in topic.viewpoints]
    if not views:
        raise InputError("there is no view for the snapshot", field="--snapshot", fix="give --title and --element")
    try:
        return {views[0].guid: path.read_bytes()}
    except OSError as error:
        raise InputError(str(error.strerror), file=str(path), fix="give a PNG or JPEG image") from error
