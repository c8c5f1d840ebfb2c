"""OpenAPI 3.1 from the table of operations and msgspec's own JSON Schema: nothing is written twice."""

import re
from typing import Any

import msgspec

from twin.api.errors import ProblemDocument
from twin.api.operation import Operation

__all__ = ["openapi"]

_REF = "#/components/schemas/{name}"


def openapi(operations: list[Operation], *, title: str, version: str, prefix: str) -> dict[str, Any]:
    """The whole document."""
    kinds = _kinds(operations)
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_REF)
    by_kind = dict(zip((repr(kind) for kind in kinds), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        path = prefix + re.sub(r":\w+\}", "}", operation.path)
        paths.setdefault(path, {})[operation.method.lower()] = _entry(operation, by_kind, components)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version, "license": {"name": "Apache-2.0"}},
        "paths": paths,
        "components": {"schemas": components},
    }


def _kinds(operations: list[Operation]) -> list[Any]:
    found: dict[str, Any] = {repr(ProblemDocument): ProblemDocument}
    for operation in operations:
        for kind in (operation.query, operation.body, operation.answer):
            if kind is not None:
                found.setdefault(repr(kind), kind)
    return list(found.values())


def _entry(operation: Operation, by_kind: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    problem = {"application/problem+json": {"schema": by_kind[repr(ProblemDocument)]}}
    answer = by_kind[repr(operation.answer)] if operation.answer is not None else {}
    content = {media: {"schema": answer if media == "application/json" else {}} for media in operation.media}
    entry: dict[str, Any] = {
        "summary": operation.summary,
        "operationId": f"{operation.method.lower()}{re.sub(r'[^a-zA-Z]+', '_', operation.path)}".strip("_"),
        "parameters": [*_path_parameters(operation.path), *_query_parameters(operation.query, components)],
        "responses": {
            str(operation.status): {"description": "done", "content": content},
            "default": {"description": "an error that names the field and the fix", "content": problem},
        },
    }
    if operation.body is not None:
        schema = by_kind[repr(operation.body)]
        entry["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return entry


def _path_parameters(path: str) -> list[dict[str, Any]]:
    names = re.findall(r"\{(\w+)(?::\w+)?\}", path)
    return [{"name": n, "in": "path", "required": True, "schema": {"type": "string"}} for n in names]


def _query_parameters(query: type[msgspec.Struct], components: dict[str, Any]) -> list[dict[str, Any]]:
    schema = components.get(query.__name__, {})
    required = set(schema.get("required", ()))
    return [
        {"name": name, "in": "query", "required": name in required, "schema": kind}
        for name, kind in schema.get("properties", {}).items()
    ]
