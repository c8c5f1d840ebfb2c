"""Why a model was refused: one error with a reason that programs can branch on."""

from typing import Literal, get_args

from wire.errors import InputError

__all__ = ["REASONS", "SPLIT", "ModelError", "Reason"]

Reason = Literal[
    "missing",  # no such file, or not a plain file
    "reference",  # an address or a path that leaves its archive
    "not_ifc",  # not a STEP file with an IFC schema
    "schema",  # an IFC schema that cannot be read
    "truncated",  # the file ends before its end marker
    "malformed",  # instances that cannot be read
    "bomb",  # an archive that unpacks beyond its bounds
    "too_big",  # beyond a bound of ModelLimits
    "memory",  # the child ran out of its memory
    "time",  # the child ran out of its time
    "crash",  # the child died of a signal
    "failed",  # the child ended in a way it should not
]
SPLIT = "split the model by discipline or raise the bound"  # how a model that is too much is mended
REASONS: frozenset[str] = frozenset(get_args(Reason))


class ModelError(InputError):
    """A model that was not taken in. The model that was live before it stays live."""

    def __init__(self, reason: Reason, problem: str, *, file: str, fix: str) -> None:
        self.reason: Reason = reason
        super().__init__(problem, file=file, fix=fix)

    def as_problem(self) -> dict[str, str]:
        """Its data as a dict, with the reason."""
        return {**super().as_problem(), "reason": self.reason}
