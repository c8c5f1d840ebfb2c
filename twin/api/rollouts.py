"""/models: trained detectors, their roll-out to nodes, and the trust that it stands on. See docs/inference.md."""

import asyncio
import hashlib
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from inference.limits import PACKAGE_BYTES_MAX
from inference.registry.promotion import Rule, Stage
from twin.api.errors import ProblemError, TooLargeError
from twin.api.operation import Call, NoQuery, Operation
from twin.changes import Change
from twin.models_rollout_desk import RolloutDesk
from twin.times import iso

__all__ = ["OPERATIONS"]

_WAITING_MAX = 4  # bundles sent and not yet published
_Hash = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
_Metadata = Annotated[str, Meta(max_length=4_000_000)]


class TrustBody(msgspec.Struct, forbid_unknown_fields=True):
    """root.json and targets.json, signed by the operator's offline keys."""

    root: _Metadata
    targets: _Metadata


class PublishBody(msgspec.Struct, forbid_unknown_fields=True):
    """A bundle that was sent before, targets.json that lists it, and how it is rolled out."""

    bundle: _Hash
    targets: _Metadata
    nodes: Annotated[list[Annotated[str, Meta(max_length=64)]], Meta(max_length=10_000)] = []
    stage: Stage = "shadow"
    rule: Rule = msgspec.field(default_factory=Rule)
    note: Annotated[str, Meta(max_length=500)] = ""


class StepBody(msgspec.Struct, forbid_unknown_fields=True):
    """Why a person moves a roll-out."""

    why: Annotated[str, Meta(max_length=500)] = ""


class Sent(msgspec.Struct):
    """A bundle that waits to be published."""

    sha256: str
    bytes: int


async def show_trust(call: Call[NoQuery, None]) -> dict[str, Any]:
    """The twin's own public key, and the newest root and targets; null before the first."""
    repository = call.twin.rollouts.repository
    texts = [data.decode() if data else None for data in (repository.root, repository.targets)]
    return {"online_pem": repository.online_pem, "root": texts[0], "targets": texts[1]}


async def take_trust(call: Call[NoQuery, TrustBody]) -> dict[str, Any]:
    """The first root, or the next one that the one before signed."""
    body, repository = call.body, call.twin.rollouts.repository
    await asyncio.to_thread(repository.take_root, body.root.encode(), body.targets.encode())
    return await show_trust(call)  # type: ignore[arg-type]


async def show_assets(call: Call[NoQuery, None]) -> dict[str, dict[str, list[str]]]:
    """Which points belong to one machine, as training groups them."""
    graph = await asyncio.to_thread(lambda: call.twin.diagnosis.graph)
    found: dict[str, list[str]] = {}
    for view in call.twin.directory.views:
        if asset := graph.asset_of(view.key):
            found.setdefault(asset, []).append(view.key)
    return {"assets": found}


async def take_bundle(call: Call[NoQuery, None]) -> Sent:
    """Stream a bundle to disk, bounded; it is checked when it is published."""
    folder = _waiting(call)
    digest, data = hashlib.sha256(), bytearray()
    async for chunk in call.request.stream():
        if len(data) + len(chunk) > PACKAGE_BYTES_MAX:
            raise TooLargeError(
                f"a bundle has at most {PACKAGE_BYTES_MAX} bytes", field="body", fix="pack fewer assets"
            )
        data += chunk
        digest.update(chunk)
    await asyncio.to_thread(_keep, folder, digest.hexdigest(), bytes(data))
    return Sent(digest.hexdigest(), len(data))


async def publish(call: Call[NoQuery, PublishBody]) -> Change:
    """Take a bundle into the repository and begin its roll-out."""
    body, desk = call.body, call.twin.rollouts
    path = _waiting(call) / body.bundle
    try:
        data = await asyncio.to_thread(path.read_bytes)
    except OSError as error:
        fix = "POST /api/v1/models/bundles first"
        raise ProblemError("that bundle was not sent, or another one came after it", field="bundle", fix=fix) from error
    package = await asyncio.to_thread(desk.repository.take_package, data, body.targets.encode())
    await asyncio.to_thread(path.unlink, missing_ok=True)
    wanted = {
        "model": package.header.id, "version": package.header.version, "nodes": body.nodes, "stage": body.stage,
        "rule": msgspec.to_builtins(body.rule), "why": body.note,
    }  # fmt: skip
    changes = call.twin.changes
    change = await changes.propose("rollout", wanted, note=body.note or "published", by=call.by)
    return await changes.activate(change.id, by=call.by)


async def list_models(call: Call[NoQuery, None]) -> dict[str, Any]:
    """Every published model, how far its roll-out has come, and what the nodes tell."""
    return {"items": await asyncio.to_thread(_models, call), "problem": call.twin.rollouts.problem or None}


async def take_back(call: Call[NoQuery, StepBody]) -> Change:
    """Back to the version that was live before, or off."""
    desk: RolloutDesk = call.twin.rollouts
    return await desk.take_back(call.path["id"], by=call.by, why=call.body.why or "by hand")


async def go_on(call: Call[NoQuery, StepBody]) -> Change:
    """To the next stage, whatever its rule says."""
    desk: RolloutDesk = call.twin.rollouts
    return await desk.go_on(call.path["id"], by=call.by, why=call.body.why or "by hand")


def _models(call: Call[NoQuery, None]) -> list[dict[str, Any]]:
    desk, found = call.twin.rollouts, []
    for model, versions in sorted(desk.versions().items()):
        one, verdict = desk.rollouts.get(model), desk.verdict(model)
        rollout = None
        if one is not None:
            rollout = {
                "version": one.version, "stage": one.stage, "since": iso(one.since_us), "nodes": one.nodes,
                "rule": msgspec.to_builtins(one.rule), "before": one.before.version if one.before else None,
                "why": one.why, "verdict": msgspec.to_builtins(verdict) if verdict else None,
            }  # fmt: skip
        nodes = [{"node": node} | msgspec.to_builtins(told) for node, told in sorted(desk.figures(model).items())]
        shown = [desk.read_header(model, version) | {"sha256": sha256} for version, sha256 in versions.items()]
        found.append({"id": model, "versions": shown, "rollout": rollout, "nodes": nodes})
    return found


def _waiting(call: Call[Any, Any]) -> Path:
    folder = call.twin.store.data_dir / "models" / "waiting"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _keep(folder: Path, digest: str, data: bytes) -> None:
    temporary = folder / f".{digest}.part"
    temporary.write_bytes(data)
    temporary.replace(folder / digest)
    files = sorted((p for p in folder.iterdir() if p.is_file()), key=lambda p: p.stat().st_mtime_ns)
    for path in files[: max(0, len(files) - _WAITING_MAX)]:
        path.unlink(missing_ok=True)


OPERATIONS = [
    Operation("GET", "/models", list_models, "trained models and their roll-outs", answer=dict[str, Any]),
    Operation("GET", "/models/assets", show_assets, "points by machine", answer=dict[str, dict[str, list[str]]]),
    Operation("GET", "/models/trust", show_trust, "root of trust of models", answer=dict[str, Any]),
    Operation("POST", "/models/trust", take_trust, "bring a root of trust", body=TrustBody, answer=dict[str, Any]),
    Operation("POST", "/models/bundles", take_bundle, "send a signed bundle", answer=Sent, status=201),
    Operation("POST", "/models", publish, "publish a bundle", body=PublishBody, answer=Change, status=201),
    Operation("POST", "/models/{id}/rollback", take_back, "roll a model back", body=StepBody, answer=Change),
    Operation("POST", "/models/{id}/promote", go_on, "move a model on", body=StepBody, answer=Change),
]
