"""Full codes of WBS nodes: the codes from the top joined by points."""

from bim.schedule.rows import Wbs

__all__ = ["set_paths"]

_DEPTH_MAX = 100  # P6 allows 20 levels; a circle ends here too


def set_paths(nodes: list[Wbs]) -> None:
    """Fill `path` of every node; a parent that is not among them is the top."""
    by_id = {one.id: one for one in nodes}
    for node in nodes:
        parts: list[str] = []
        one: Wbs | None = node
        while one is not None and len(parts) < _DEPTH_MAX:
            parts.append(one.code)
            one = by_id.get(one.parent or "")
        node.path = ".".join(reversed(parts))
    for node in nodes:
        if node.parent is not None and node.parent not in by_id:
            node.parent = None
