"""`past.json` of a park: which simulated past its twin has been given, or is still to be given."""

from pathlib import Path

import msgspec

__all__ = ["DAYS_MAX", "DAYS_MIN", "Order", "read_order", "write_order"]

DAYS_MIN, DAYS_MAX = 0.5, 14.0  # as `sim_devices.past` has them


class Order(msgspec.Struct):
    """`past.json` of a park: which past it has or will have. `made` are the epochs laid out, by gateway."""

    site: str
    seed: int
    days: float
    start_us: int
    spools: dict[str, str]
    made: dict[str, str] = {}
    done: bool = False


def read_order(path: Path) -> Order | None:
    """The past of a park; None when it has none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Order)
    except (OSError, msgspec.MsgspecError):
        return None


def write_order(path: Path, order: Order) -> None:
    """Whole or not at all."""
    fresh = path.with_suffix(".new")
    fresh.write_bytes(msgspec.json.encode(order))
    fresh.replace(path)
