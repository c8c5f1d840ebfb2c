"""The order of stations, and the flights that a battery allows."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drone_ingest.mission.roadmap import Roadmap
from drone_ingest.mission.settings import Drone
from drone_ingest.ray_scene import Floats

__all__ = ["Split", "split_flights", "tour_of"]

_ROUNDS = 60
_HALVINGS = 12


def tour_of(roadmap: Roadmap) -> tuple[list[int], list[int]]:
    """Stations (nodes from 1 on) in the order to fly them, out from take-off and back; and those nothing leads to.

    Nearest neighbour, then 2-opt and or-opt until neither gains, over the energy of the best ways.
    """
    stations = np.arange(1, roadmap.stations + 1)
    cost = (roadmap.energy + roadmap.energy.T) / 2  # 2-opt turns stretches round
    reached = stations[np.isfinite(roadmap.energy[0, stations]) & np.isfinite(roadmap.energy[stations, 0])]
    lost = sorted(set(stations.tolist()) - set(reached.tolist()))
    if len(reached) < 2:
        return reached.tolist(), lost
    order = _nearest(cost, reached)
    for _ in range(_ROUNDS):
        order, turned = _two_opt(cost, order)
        order, moved = _or_opt(cost, order)
        if not (turned or moved):
            break
    return order[1:].tolist(), lost


def _nearest(cost: Floats, stations: NDArray[np.int64]) -> NDArray[np.int64]:
    left = set(stations.tolist())
    order = [0]
    while left:
        rows = np.array(sorted(left))
        order.append(int(rows[np.argmin(cost[order[-1], rows])]))
        left.discard(order[-1])
    return np.array(order)


def _two_opt(cost: Floats, order: NDArray[np.int64]) -> tuple[NDArray[np.int64], bool]:
    """Turn round the stretch that gains most, until none does. The tour is closed: take-off comes first and last."""
    changed = False
    for _ in range(4 * len(order)):
        after = np.roll(order, -1)
        now = cost[order, after]
        gain = now[:, None] + now[None] - cost[np.ix_(order, order)] - cost[np.ix_(after, after)]
        gain = np.triu(gain, 2)
        best = int(np.argmax(gain))
        i, j = divmod(best, len(order))
        if gain[i, j] <= 1e-9:
            break
        order[i + 1 : j + 1] = order[i + 1 : j + 1][::-1].copy()
        changed = True
    return order, changed


def _or_opt(cost: Floats, order: NDArray[np.int64]) -> tuple[NDArray[np.int64], bool]:
    """Move single stations to where they cost least."""
    changed = False
    for station in order[1:].copy():
        at = int(np.flatnonzero(order == station)[0])
        rest = np.delete(order, at)
        after = np.roll(rest, -1)
        out = cost[order[at - 1], station] + cost[station, order[(at + 1) % len(order)]]
        out -= cost[order[at - 1], order[(at + 1) % len(order)]]
        into = cost[rest, station] + cost[station, after] - cost[rest, after]
        best = int(np.argmin(into))
        if out - into[best] > 1e-9:
            order = np.insert(rest, best + 1, station)
            changed = True
    return order, changed


@dataclass(frozen=True, slots=True)
class Split:
    """Flights as lists of stations; the energy of each with its way out and home; what one battery cannot reach."""

    flights: list[list[int]]
    energy_s: list[float]
    too_far: list[int]


def split_flights(roadmap: Roadmap, order: list[int], drone: Drone) -> Split:
    """Cut the tour into as few flights as batteries allow, and those about alike: each gets home on what is left of its
    battery from every station of it."""
    alone = {one: float(roadmap.energy[0, one] + roadmap.energy[one, 0]) + drone.photo_s for one in order}
    too_far = [one for one in order if alone[one] > drone.budget_s]
    reached = [one for one in order if alone[one] <= drone.budget_s]
    if not reached:
        return Split([], [], too_far)
    best = _cut(roadmap, reached, drone, drone.budget_s)
    low, high = max(alone[one] for one in reached), drone.budget_s
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        cut = _cut(roadmap, reached, drone, middle)
        if len(cut[0]) == len(best[0]):
            best, high = cut, middle
        else:
            low = middle
    return Split(*best, too_far)


def _cut(roadmap: Roadmap, order: list[int], drone: Drone, budget_s: float) -> tuple[list[list[int]], list[float]]:
    """Flights of at most a budget, each as long as it may be, and their energy."""
    flights: list[list[int]] = [[]]
    energies = [0.0]
    used = 0.0
    for station in order:
        now = flights[-1]
        leg = float(roadmap.energy[now[-1] if now else 0, station])
        home = float(roadmap.energy[station, 0])
        if now and used + leg + drone.photo_s + home > budget_s:
            flights.append([])
            energies.append(0.0)
            used, leg = 0.0, float(roadmap.energy[0, station])
        flights[-1].append(station)
        used += leg + drone.photo_s
        energies[-1] = used + home
    return flights, energies
