"""Links task ↔ element by rules, since nobody has a ready link file.

```
[[task_link]]                       # every task of this part of the WBS builds the slabs of its storey
task = { wbs = "A.2.*", name = "*floor*" }
element = { type = "IfcSlab*", storey = "{Storey}" }
```
`task` matches id, code, name, wbs, project, or an activity code by its type (`Storey = "0*"`). `element` matches the
fields of FIELDS. Patterns are globs without case; `{…}` is replaced by the task's own code of that type, its `wbs` or
its `code`, so that one rule pairs each task with its own storey or zone.
"""

import re
import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fnmatch import translate
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bim.schedule.rows import ElementTask
from bim.schedule.tables import Schedule, table_of
from wire.errors import ConfigError

__all__ = ["FIELDS", "ElementFields", "RuleMatch", "TaskLinkRule", "link_by_rules", "parse_rules", "read_rules"]

Mask = npt.NDArray[np.bool_]
FIELDS = (
    "type", "name", "tag", "object_type", "type_name", "predefined", "storey", "space", "zone", "system",
    "classification", "material",
)  # fmt: skip
_TASK_FIELDS = ("id", "code", "name", "wbs", "project")
_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")
_CONFIDENCE = 0.7  # a rule is a person's guess about names
_RULES_MAX = 2_000  # each is tried on every task
_LINKS_MAX = 5_000_000  # a rule that links everything with everything is a mistake


@dataclass(frozen=True, slots=True)
class TaskLinkRule:
    """Patterns by field; all of one side must match."""

    number: int
    task: dict[str, str]
    element: dict[str, str]


@dataclass(slots=True)
class RuleMatch:
    """Links found (table of ElementTask rows), and what each rule did."""

    links: pa.Table
    tasks_by_rule: dict[int, int] = field(default_factory=dict)
    links_by_rule: dict[int, int] = field(default_factory=dict)


def read_rules(path: Path) -> list[TaskLinkRule]:
    """The [[task_link]] tables of a TOML file; raises ConfigError with field and fix."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(str(error.strerror), file=str(path), fix="give a TOML file with [[task_link]]") from error
    except UnicodeDecodeError as error:
        raise ConfigError(str(error), file=str(path), fix="save the file as UTF-8") from error
    return parse_rules(text, str(path))


def parse_rules(text: str, file: str) -> list[TaskLinkRule]:
    """The [[task_link]] tables of a TOML text; raises ConfigError with field and fix."""
    try:
        tables = tomllib.loads(text).get("task_link", [])
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(str(error), file=file, fix="mend the TOML") from error
    if not isinstance(tables, list) or not tables:
        raise ConfigError("it has no [[task_link]]", file=file, field="task_link", fix="write [[task_link]]")
    if len(tables) > _RULES_MAX:
        raise ConfigError(f"more than {_RULES_MAX} rules", file=file, field="task_link", fix="use patterns and {…}")
    return [_rule(table, number, file) for number, table in enumerate(tables, start=1)]


def _rule(table: Any, number: int, file: str) -> TaskLinkRule:
    where = f"task_link[{number}]"
    if not isinstance(table, dict) or set(table) != {"task", "element"}:
        fix = 'write task = { wbs = "A.1*" } and element = { type = "IfcWall*" }'
        raise ConfigError("it needs task and element, and nothing else", file=file, field=where, fix=fix)
    for side in ("task", "element"):
        found = table[side]
        if not isinstance(found, dict) or not found or not all(isinstance(one, str) and one for one in found.values()):
            raise ConfigError("it needs patterns by field", file=file, field=f"{where}.{side}", fix='type = "IfcWall*"')
    unknown = [name for name in table["element"] if name not in FIELDS]
    if unknown:
        fix = f"use one of {', '.join(FIELDS)}"
        raise ConfigError(f"there is no field {unknown[0]!r}", file=file, field=f"{where}.element", fix=fix)
    return TaskLinkRule(number, dict(table["task"]), dict(table["element"]))


class ElementFields:
    """Elements of a model by the values of their fields; an element may have several of one field."""

    def __init__(self, elements: pa.Table, relations: pa.Table | None = None) -> None:
        rows = elements.select(
            ["id", "category", "type", "name", "long_name", "tag", "object_type", "type_name", "predefined", "storey",
             "space", "materials", "classifications"]
        ).to_pylist()  # fmt: skip
        names = {row["id"]: row["name"] or row["long_name"] for row in rows}
        kinds = {row["id"]: row["type"] for row in rows}
        parts = [row for row in rows if row["category"] == "element"]
        self.ids = [row["id"] for row in parts]
        groups = _groups(relations, kinds, names)
        self._places: dict[str, dict[str, list[int]]] = {name: defaultdict(list) for name in FIELDS}
        for place, row in enumerate(parts):
            plain = {name: [row[name]] for name in ("type", "name", "tag", "object_type", "type_name", "predefined")}
            held = {
                "storey": [names.get(row["storey"] or "", "")],
                "space": [names.get(row["space"] or "", "")],
                "zone": groups["zone"].get(row["id"], []) + groups["zone"].get(row["space"] or "", []),
                "system": groups["system"].get(row["id"], []),
                "classification": row["classifications"],
                "material": row["materials"],
            }
            for name, values in {**plain, **held}.items():
                for value in values:
                    if value:
                        self._places[name][value].append(place)
        self._masks: dict[tuple[str, str], Mask] = {}

    def matching(self, patterns: dict[str, str]) -> npt.NDArray[np.int64]:
        """Places of the elements that match every pattern."""
        mask = np.ones(len(self.ids), bool)
        for name, pattern in patterns.items():
            mask &= self._mask(name, pattern)
        return np.flatnonzero(mask)

    def _mask(self, name: str, pattern: str) -> Mask:
        key = (name, pattern)
        if key not in self._masks:
            mask, matches = np.zeros(len(self.ids), bool), _matcher(pattern)
            for value, places in self._places[name].items():
                if matches(value):
                    mask[places] = True
            self._masks[key] = mask
        return self._masks[key]


def link_by_rules(schedule: Schedule, model: ElementFields, rules: Iterable[TaskLinkRule]) -> RuleMatch:
    """Links of every rule, the first rule of a pair named; summaries and inactive tasks get none."""
    values = _task_values(schedule)
    found: dict[tuple[str, str], ElementTask] = {}
    match = RuleMatch(table_of([], ElementTask))
    for rule in rules:
        matchers = {name: _matcher(pattern) for name, pattern in rule.task.items()}
        tasks = links = 0
        for task, known in values.items():
            if not all(any(map(matches, known.get(name, ()))) for name, matches in matchers.items()):
                continue
            tasks += 1
            for patterns in _resolved(rule.element, known):
                for place in model.matching(patterns).tolist():
                    pair = (model.ids[place], task)
                    links += pair not in found
                    detail = f"rule {rule.number}: {', '.join(f'{k} {v!r}' for k, v in patterns.items())}"
                    row = ElementTask(element=pair[0], task=task, how="rule", confidence=_CONFIDENCE, detail=detail)
                    found.setdefault(pair, row)
                if len(found) > _LINKS_MAX:
                    fix = "narrow its patterns"
                    raise ConfigError(f"more than {_LINKS_MAX} links", field=f"task_link[{rule.number}]", fix=fix)
        match.tasks_by_rule[rule.number], match.links_by_rule[rule.number] = tasks, links
    match.links = table_of(list(found.values()), ElementTask)
    return match


def _task_values(schedule: Schedule) -> dict[str, dict[str, list[str]]]:
    """Values of each task's fields and codes."""
    found: dict[str, dict[str, list[str]]] = {}
    for row in schedule.tasks.select(["id", "code", "name", "wbs_code", "project", "kind", "active"]).to_pylist():
        if row["kind"] in ("summary", "level_of_effort") or not row["active"]:
            continue
        plain = (row["id"], row["code"], row["name"], row["wbs_code"], row["project"])
        found[row["id"]] = {name: [value] for name, value in zip(_TASK_FIELDS, plain, strict=True)}
    for row in schedule["codes"].select(["task", "type", "value", "text"]).to_pylist():
        if row["task"] in found:
            found[row["task"]].setdefault(row["type"], []).extend(one for one in (row["value"], row["text"]) if one)
    return found


def _resolved(patterns: dict[str, str], known: dict[str, list[str]]) -> list[dict[str, str]]:
    """Patterns with the task's own values in place of {…}, one set a value; none when the task has no such value."""
    names = sorted({name for pattern in patterns.values() for name in _PLACEHOLDER.findall(pattern)})
    sets: list[dict[str, str]] = [{}]
    for name in names:
        sets = [{**one, name: value} for one in sets for value in known.get(name, ()) if value]
    return [
        {key: _PLACEHOLDER.sub(lambda m, one=one: _literal(one[m[1]]), pattern) for key, pattern in patterns.items()}  # type: ignore[misc]
        for one in sets
    ]


def _literal(value: str) -> str:
    """A value as a glob that matches only itself."""
    return re.sub(r"([*?\[])", r"[\1]", value)


def _matcher(pattern: str) -> Callable[[str], object]:
    return re.compile(translate(pattern), re.IGNORECASE).match


def _groups(
    relations: pa.Table | None, kinds: dict[str, str], names: dict[str, str]
) -> dict[str, dict[str, list[str]]]:
    """Names of the zones and systems of each element or space."""
    found: dict[str, dict[str, list[str]]] = {"zone": defaultdict(list), "system": defaultdict(list)}
    for row in relations.to_pylist() if relations is not None else ():
        if row["kind"] == "group":
            kind = "zone" if kinds.get(row["source"]) == "IfcZone" else "system"
            found[kind][row["target"]].append(names.get(row["source"], ""))
    return found
