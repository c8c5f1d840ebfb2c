"""Which relations a set of streams has: one for every device whose points have the roles that it needs."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from inference.diagnosis.roles import role_of
from inference.runtime.relations.table import Relation, load_relations
from inference.runtime.settings import Stream

__all__ = ["NOWHERE", "Place", "plan"]

NOWHERE = -1  # of an input that this device does without
PEERS_LEAST = 2


class Place(NamedTuple):
    """One relation at one device: the slot of each input (of `peers`, the slots of its make), and what it rests on."""

    relation: Relation
    asset: str
    slots: tuple[int, ...]
    peers: tuple[tuple[int, ...], ...]  # of each input: slots of that role of all of its make; empty if not asked

    @property
    def key(self) -> str:
        """Named like a point of its device."""
        return f"{self.asset}/{self.relation.name}"

    @property
    def own(self) -> list[int]:
        """The slots of its own device, the leading one first."""
        pairs = zip(self.relation.inputs, self.slots, strict=True)
        return list(dict.fromkeys(slot for one, slot in pairs if one.scope == "own" and slot >= 0))


def plan(streams: Sequence[Stream]) -> list[Place]:
    """All relations there are, by relation and device, in the order of the streams."""
    devices: dict[str, dict[str, int]] = {}
    metrics: defaultdict[str, list[str]] = defaultdict(list)
    site: dict[str, int] = {}
    for slot, stream in enumerate(streams):
        metric = stream.key.rpartition("/")[2]
        role = role_of(metric, stream.point_class)
        devices.setdefault(stream.asset, {}).setdefault(role, slot)
        metrics[stream.asset].append(metric)
    makes: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for asset, names in metrics.items():
        makes[tuple(sorted(names))].append(asset)
    weather = [of for of in devices.values() if "irradiance" in of and "wind_speed" in of]
    for of in weather:
        site |= {"irradiance": of["irradiance"]} if "irradiance" not in site else {}
        outside = of.get("outside_temperature", of.get("temperature"))
        if outside is not None:
            site.setdefault("outside_temperature", outside)
    alike: dict[str, Mapping[str, tuple[int, ...]]] = {}  # one table a make, however many are of it
    for others in makes.values():
        alike |= dict.fromkeys(others, _slots_by_role([devices[one] for one in others]))
    places: list[Place] = []
    for relation in load_relations():
        for asset, of in devices.items():
            place = _place(relation, asset, of, site, alike[asset])
            if place is not None:
                places.append(place)
    return places


def _slots_by_role(devices: Sequence[Mapping[str, int]]) -> dict[str, tuple[int, ...]]:
    found: defaultdict[str, list[int]] = defaultdict(list)
    for of in devices:
        for role, slot in of.items():
            found[role].append(slot)
    return {role: tuple(slots) for role, slots in found.items()}


def _place(
    relation: Relation, asset: str, of: Mapping[str, int], site: Mapping[str, int], make: Mapping[str, tuple[int, ...]]
) -> Place | None:
    slots: list[int] = []
    peers: list[tuple[int, ...]] = []
    for one in relation.inputs:
        slot = (site if one.scope == "site" else of).get(one.role, NOWHERE)
        alike: tuple[int, ...] = ()
        if one.scope == "peers" and slot >= 0:
            alike = make[one.role]
            slot = slot if len(alike) >= PEERS_LEAST else NOWHERE
        peers.append(alike)
        if slot < 0 and not one.optional:
            return None
        slots.append(slot)
    return Place(relation, asset, tuple(slots), tuple(peers))
