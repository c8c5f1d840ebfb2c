"""What is attached to a gateway: each way to the field is asked who answers, within a time, and told as a source.

One protocol = one file beside this one with `look`, which yields what it finds (None: one more step without a find),
and `tables`, which turns what was found into `[[source]]` tables. Nothing is ever written to a device.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Final

import msgspec

from edge.sources import EXTRAS, SourceError
from wire.errors import UserError

__all__ = ["KINDS", "SECONDS", "Found", "Probed", "SourceTable", "Told", "probe", "url_of"]

KINDS: Final = ("modbus", "opcua", "bacnet", "mbus", "mqtt")
SECONDS: Final = 150.0  # for one way to the field: 250 addresses where nobody answers take 125 s
_SCHEMES: Final = {"opcua": "opc.tcp", "mqtt": "mqtt"}
_BAUD: Final = {"modbus": 9600, "mbus": 2400}


class Found(msgspec.Struct, frozen=True):
    """Something that answered. `row` is its entry in a source's table; a `problem` is why it has none, or not yet."""

    name: str
    detail: str
    row: Mapping[str, Any] = msgspec.field(default_factory=dict)
    problem: str = ""
    fix: str = ""


class SourceTable(msgspec.Struct, frozen=True):
    """A `[[source]]` table, and a line above it for the person who reads it."""

    table: Mapping[str, Any]
    note: str = ""


@dataclass
class Probed:
    """What came out of one way to the field; `problem` says why nothing or not all of it was looked at."""

    kind: str
    url: str
    found: list[Found] = field(default_factory=list)
    tables: list[SourceTable] = field(default_factory=list)
    problem: str = ""
    fix: str = ""


Told = Callable[[int, int], None]
"""Steps done, steps in all; so often as something was asked."""


def url_of(kind: str, address: str) -> str:
    """What a person writes as what a source takes: `10.0.0.7`, `/dev/ttyUSB0`, or a whole URL."""
    if "://" in address or kind == "bacnet":
        return address
    if address.startswith("/"):
        scheme = "rtu" if kind == "modbus" else "serial"
        return f"{scheme}://{address}?baudrate={_BAUD.get(kind, 9600)}"
    return f"{_SCHEMES.get(kind, 'tcp')}://{address}"


async def probe(kind: str, address: str, taken: Iterable[str], told: Told, seconds: float = SECONDS) -> Probed:
    """Look at one way to the field, for at most `seconds`; what was found until then counts. `taken` are the names of
    sources that a configuration already has. A peer's failure is told in the result, never raised."""
    result = Probed(kind, url_of(kind, address))
    name = next(f"{kind}-{number}" for number in range(1, 10_000) if f"{kind}-{number}" not in set(taken))
    try:
        module = import_module(f"edge.probing.{kind}")
        steps = 0
        async with asyncio.timeout(seconds), aclosing(module.look(result.url, name)) as looking:
            async for one in looking:
                steps += 1
                told(steps, max(steps, module.STEPS))
                if one is not None:
                    result.found.append(one)
    except ImportError as error:
        result.problem, result.fix = str(error), f'pip install "aid4[{EXTRAS.get(kind, "edge")}]"'
        return result
    except TimeoutError:
        result.problem = f"stopped after {seconds:g} s and {steps} of some {module.STEPS} steps"
        result.fix = "give it longer with --seconds"
    except UserError as error:
        result.problem, result.fix = error.problem, error.fix
    except SourceError as error:
        result.problem, result.fix = error.detail, "is the address right, the device on, and the network between open?"
    if not result.found and not result.problem:
        result.problem, result.fix = "nobody answered", module.SILENT
    result.tables = module.tables(name, result.url, result.found) if result.found else []
    return result
