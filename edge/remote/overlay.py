"""A layer from afar looked at before it is laid on: is it good, and what would it change? Nothing runs of it."""

import difflib
import tomllib
from pathlib import Path
from typing import Any, Final

from edge.config import load, problems, spool_dir_of
from edge.remote.layer import LOCAL_PARTS, Kept, lay_over, read_kept, remote_parts
from wire.errors import ConfigError, InputError
from wire.limits import CONFIG_BYTES_MAX
from wire.masking import kept, masked
from wire.messages import CheckAnswer, ConfigAnswer, Problem
from wire.toml_text import document_text

__all__ = ["changed_sources", "check", "resolved", "show"]

_DIFF_BYTES_MAX: Final = 65_536
_PROBLEMS_MAX: Final = 50
_COMMANDS: Final = ("tegrastats", "modem")  # of a source: programs that the gateway starts


def check(path: Path, text: str) -> CheckAnswer:
    """What `aid4 edge check` would say of the file at `path` with this layer over it, and how it would differ."""
    now, state = _local(path)
    try:
        resolved_text = resolved(path, text, state)
    except InputError as error:
        return CheckAnswer([_problem(error)])
    found = problems(path, resolved_text)
    before, after = (remote_parts(lay_over(now, one)) for one in (state.running.text, resolved_text))
    parts = [name for name in sorted({*before, *after}) if before.get(name) != after.get(name)]
    old, new = (document_text(masked(one)).splitlines() for one in (before, after))
    lines = list(difflib.unified_diff(old, new, "runs now", "wanted", lineterm=""))
    if parts and not lines:
        lines = ["(only secrets differ)"]
    diff = "\n".join(lines).encode()[:_DIFF_BYTES_MAX].decode(errors="ignore")
    return CheckAnswer([_problem(one, path) for one in found[:_PROBLEMS_MAX]], diff, parts)


def resolved(path: Path, text: str, state: Kept) -> str:
    """The layer with its kept secrets; InputError when it is no TOML, is too large, or reaches for what is not its."""
    if len(text.encode()) > CONFIG_BYTES_MAX:
        raise InputError(f"has more than {CONFIG_BYTES_MAX} bytes", field="text", fix="split the gateway")
    try:
        layer = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"is not TOML: {error}", field="text", fix="mend the syntax at that place") from error
    for name in LOCAL_PARTS:
        if name in layer:
            fix = f"take [{name}] out; at the gateway it is changed by hand or by `aid4 edge enrol`"
            raise InputError("is the gateway's own and never set from afar", field=name, fix=fix)
    if not layer:
        return ""
    local, _ = _local(path)
    _refuse_commands(layer.get("source"), local.get("source"))
    before = [lay_over(local, each) for each in (state.running.text, state.before.text, "")]
    whole = kept(layer, before)
    return document_text(whole)


def changed_sources(path: Path, before: str, after: str) -> list[str]:
    """The sources that a good layer brings, or has otherwise than the one before."""
    try:
        old = {source.name: source for source in load(path, before).sources}
    except ConfigError:  # the file beside it was changed meanwhile: all of it is new
        old = {}
    return [one.name for one in load(path, after).sources if one.enabled and old.get(one.name) != one]


def show(path: Path, state: Kept) -> ConfigAnswer:
    """What may be set from afar, as it runs, secrets masked."""
    local, _ = _local(path)
    text = document_text(masked(remote_parts(lay_over(local, state.running.text))))
    return ConfigAnswer(text, sorted(tomllib.loads(state.running.text)), state.figures)


def _refuse_commands(sources: Any, local: Any) -> None:
    """Nobody starts a program on a gateway from afar; one that its own file names may stay."""
    named = {one.get("name"): one for one in local if isinstance(one, dict)} if isinstance(local, list) else {}
    for at, source in enumerate(sources if isinstance(sources, list) else []):
        for name in _COMMANDS:
            own = named.get(source.get("name"), {}).get(name, "") if isinstance(source, dict) else ""
            if isinstance(source, dict) and source.get(name, "") not in ("", own):
                fix = "write it into the gateway's own file, at the gateway"
                raise InputError("is a command, never set from afar", field=f"source[{at}].{name}", fix=fix)


def _local(path: Path) -> tuple[dict[str, Any], Kept]:
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    return table, read_kept(spool_dir_of(table, path))


def _problem(error: Any, path: Path | None = None) -> Problem:
    """Its data; the gateway's own file is not named, since the layer is what can be mended."""
    file = "" if path is None or error.file == str(path) else error.file
    return Problem(error.problem[:2_000], file[:500], error.field[:500], error.fix[:2_000])
