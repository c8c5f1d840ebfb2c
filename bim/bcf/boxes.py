"""Where elements of a model are, by GlobalId; their geometry is made in a child process."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from bim.bcf.camera import Box
from bim.child_process import run_model_child
from bim.errors import ModelError
from bim.limits import ModelLimits
from bim.model_file import check_path
from bim.open import refusal

__all__ = ["boxes_of"]


def boxes_of(model: str | Path, ids: Sequence[str], limits: ModelLimits | None = None) -> dict[str, Box]:
    """Boxes in metres of the model's world; elements that the file lacks are missing. Raises ModelError.

    A geometry that crashes the child or never ends costs the boxes of the elements after it, not the call.
    """
    limits = limits or ModelLimits()
    path = check_path(model, limits)
    with tempfile.TemporaryDirectory(prefix="aid4-boxes-") as folder:
        work = Path(folder)
        (work / "ids.json").write_bytes(msgspec.json.encode(list(ids)))
        out = work / "boxes.json"
        given = [str(path.resolve()), str(out), str(work / "ids.json"), msgspec.json.encode(limits).decode()]
        try:
            code = run_model_child("bim.bcf.boxes_child", given, work, limits, str(model))
        except ModelError:
            if not out.exists():
                raise
            code = 0  # what was found before the time was over
        if code != 0 and not (code < 0 and out.exists()):
            raise refusal(code, work, str(model), limits)
        try:
            return msgspec.json.decode(out.read_bytes(), type=dict[str, Box])
        except (OSError, msgspec.DecodeError) as error:
            fix = "please report it with the file"
            raise ModelError("failed", f"no boxes were left: {error}", file=str(model), fix=fix) from error
