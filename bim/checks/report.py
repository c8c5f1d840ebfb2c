"""What a check of a model against an IDS says; `report.json` of the child, and the answer of `aid4 bim check`."""

import msgspec

__all__ = ["FAILED_SHOWN_MAX", "Failed", "IdsReport", "Requirement", "Specification"]

FAILED_SHOWN_MAX = 1_000  # elements named for one requirement; the count is of all


class Failed(msgspec.Struct, frozen=True, kw_only=True):
    """An element that does not meet a requirement."""

    global_id: str
    type: str
    name: str
    reason: str


class Requirement(msgspec.Struct, frozen=True, kw_only=True):
    """One requirement of a specification, over all elements that it applies to."""

    text: str
    facet: str
    met: bool
    passed: int
    failed: int
    elements: list[Failed]


class Specification(msgspec.Struct, frozen=True, kw_only=True):
    """One specification; `for_this_version` is false where it names other IFC versions than the model's."""

    name: str
    description: str
    instructions: str
    cardinality: str  # required | optional | prohibited
    applies_to: str
    applicable: int
    for_this_version: bool
    met: bool
    requirements: list[Requirement]


class IdsReport(msgspec.Struct, frozen=True, kw_only=True):
    """One IDS file against one model."""

    ids: str
    title: str
    model: str
    schema: str
    met: bool
    specifications: list[Specification]
