"""A scan as BCF: one issue for each task that is late or early, with a view of its elements and the evidence named."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec
import numpy as np

from bim.bcf.camera import Box
from bim.bcf.issues import Issue, topics_of
from bim.bcf.topics import HeaderFile, Topic
from bim.bcf.write import write_bcf
from bim.tiles.meshes import load_meshes
from twin.scans_progress import OffPlan
from twin.times import iso
from wire.errors import InputError

__all__ = ["scan_issues", "write_scan_bcf"]

_EVIDENCE_LINKS_MAX = 100  # of one topic


def scan_issues(tasks: Iterable[OffPlan], scan: str, at_us: int, evidence: set[str]) -> list[Issue]:
    """One issue a task and kind, the late ones first; `evidence` are the elements whose cropped cloud is kept."""
    issues = []
    kinds = ((one, late, one.late if late else one.early) for late in (True, False) for one in tasks)
    for one, late, elements in kinds:
        if not elements:
            continue
        words = "planned as finished, not built" if late else "built, planned to begin later"
        kept = [element for element in elements if element in evidence]
        lines = [
            f"Scan {scan} of {iso(at_us)}: {len(elements)} elements of this task are {words}.",
            *(f"Evidence: scans/{scan}/evidence/{element}.ply" for element in kept[:_EVIDENCE_LINKS_MAX]),
        ]
        issues.append(
            Issue(
                title=f"{'Late' if late else 'Early'}: {one.name or one.task}"[:500],
                elements=sorted(elements)[:10_000],
                description="\n".join(lines),
                type="Late" if late else "Early",
                priority="High" if late else "Low",
                labels=["AID4 scan"],
                stage=one.task[:500],
            )
        )
    return issues


def write_scan_bcf(
    issues: list[Issue], out: Path, *, tiles: Path | None, model: str, sha256: str, date: str, links: Mapping[str, str]
) -> int:
    """Write a BCF 3.0 file; how many topics. `links` are addresses of evidence by element; without `tiles` the
    issues name their elements and have no camera."""
    wanted = {element for issue in issues for element in issue.elements}
    boxes = _boxes(tiles, wanted) if tiles is not None else {}
    topics, _ = topics_of(issues, boxes, HeaderFile(name=model), date, sha256)
    named = [_with_links(topic, issue, links) for topic, issue in zip(topics, issues, strict=True)]
    write_bcf(named, out, project=model)
    return len(named)


def _with_links(topic: Topic, issue: Issue, links: Mapping[str, str]) -> Topic:
    mine = [links[element] for element in issue.elements if element in links]
    return msgspec.structs.replace(topic, links=mine[:_EVIDENCE_LINKS_MAX])


def _boxes(tiles: Path, wanted: set[str]) -> dict[str, Box]:
    boxes: dict[str, Box] = {}
    try:
        meshes = load_meshes(tiles)
    except InputError:
        return boxes
    for element in wanted:
        mesh = meshes.of(element)
        if mesh is not None and len(mesh.vertices):
            low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
            boxes[element] = tuple(np.concatenate([low, high]).tolist())
    return boxes
