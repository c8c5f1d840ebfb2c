"""/software: what gateways may be updated to, and its roll-out. See docs/updates.md."""

import asyncio
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from twin.api.fleet import Name, WhyBody, rollout_view, wanted_view
from twin.api.operation import Call, NoQuery, Operation
from twin.software import SECTION, software_body
from twin.times import iso
from wire.limits import TRIAL_S_MAX
from wire.software import MANIFEST_BYTES_MAX, Version

__all__ = ["OPERATIONS"]

_Metadata = Annotated[str, Meta(max_length=4_000_000)]


class ManifestBody(msgspec.Struct, forbid_unknown_fields=True):
    """bundle.json of a bundle as its bytes are, and the targets.json that lists it."""

    manifest: Annotated[str, Meta(max_length=MANIFEST_BYTES_MAX)]
    targets: _Metadata


class CarriedBody(msgspec.Struct, forbid_unknown_fields=True):
    """How long signatures on a medium shall hold."""

    days: Annotated[float, Meta(ge=1, le=90)] = 14.0


class RollOutBody(msgspec.Struct, forbid_unknown_fields=True):
    """A version for these nodes, the canaries first. `hold_s` is how long a stage stays well before the next."""

    version: Version
    nodes: Annotated[list[Name], Meta(min_length=1, max_length=10_000)]
    stages: Annotated[str, Meta(max_length=200)] = "1,50%,100%"
    hold_s: Annotated[float, Meta(ge=0, le=2_592_000)] = 600.0
    trial_s: Annotated[float, Meta(ge=1, le=TRIAL_S_MAX)] = 600.0
    note: Annotated[str, Meta(max_length=500)] = ""


async def show_software(call: Call[NoQuery, None]) -> dict[str, Any]:
    """Every published version, and what each node runs and tells of its newest update."""
    versions = await asyncio.to_thread(call.twin.software.versions)
    nodes = []
    for node, told in sorted(call.twin.fleet.told().items()):
        figures, wanted = told.sections.get(SECTION), call.twin.fleet.wanted(SECTION, node)
        shown = msgspec.to_builtins(figures) | {"since": iso(figures.since_us or None)} if figures else None
        nodes.append(
            {"node": node, "online": told.online, "wanted": wanted.body["version"] if wanted else None, "told": shown}
        )
    return {"versions": versions, "nodes": nodes}


async def take_manifest(call: Call[NoQuery, ManifestBody]) -> dict[str, Any]:
    """List a signed manifest; the answer says which wheels are still to be sent."""
    body = call.body
    return await asyncio.to_thread(call.twin.software.take_manifest, body.manifest.encode(), body.targets.encode())


async def take_wheel(call: Call[NoQuery, None]) -> dict[str, Any]:
    """A wheel that a manifest names, as the body."""
    size = await call.twin.software.take_wheel(call.path["sha256"], call.request.stream())
    return {"sha256": call.path["sha256"], "bytes": size}


async def carry(call: Call[NoQuery, CarriedBody]) -> dict[str, Any]:
    """Signatures as they are now, for a gateway that no network reaches."""
    return {"files": await asyncio.to_thread(call.twin.software.carried, call.body.days)}


async def roll_out(call: Call[NoQuery, RollOutBody]) -> dict[str, Any]:
    """Begin; the first stage is told at once."""
    body, desk = call.body, call.twin.fleet
    await asyncio.to_thread(call.twin.software.check, body.version)
    wanted = software_body(body.version, body.trial_s)
    made = await desk.roll_out(
        SECTION, wanted, body.nodes, stages=body.stages, hold_s=body.hold_s, by=call.by, note=body.note
    )
    return rollout_view(call, made)


async def take_back(call: Call[NoQuery, WhyBody]) -> dict[str, Any]:
    """The version that the node should run before."""
    made = await call.twin.fleet.take_back(SECTION, call.path["node"], by=call.by, why=call.body.why)
    return wanted_view(made) | {"version": made.body["version"]}


_ANY = dict[str, Any]
OPERATIONS = [
    Operation("GET", "/software", show_software, "software of gateways: versions and nodes", answer=_ANY),
    Operation("POST", "/software/manifests", take_manifest, "publish signed software", body=ManifestBody, answer=_ANY,
              status=201),
    Operation("POST", "/software/wheels/{sha256}", take_wheel, "a wheel of published software", answer=_ANY,
              status=201),
    Operation("POST", "/software/carried", carry, "signatures to carry to a gateway", body=CarriedBody, answer=_ANY),
    Operation("POST", "/software/rollouts", roll_out, "roll software out in stages", body=RollOutBody, answer=_ANY,
              status=201),
    Operation("POST", "/nodes/{node}/software/rollback", take_back, "a gateway's software of before", body=WhyBody,
              answer=_ANY),
]  # fmt: skip
