"""Hundreds of damaged models: each is read or refused, none escapes the child's own handling, none hangs."""

import json
import random
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from bim.campus.author import author_site
from bim.errors import ModelError
from bim.open import read_model

FARM = Path(__file__).resolve().parents[2] / "configs" / "sites" / "farm"
EACH = 60  # mutants of each kind


def cut(data: bytes, dice: random.Random) -> bytes:
    return data[: dice.randrange(len(data))]


def cut_but_ended(data: bytes, dice: random.Random) -> bytes:
    return data[: dice.randrange(len(data))] + b"\nENDSEC;\nEND-ISO-10303-21;\n"


def flipped(data: bytes, dice: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(dice.randint(1, 20)):
        changed[dice.randrange(len(changed))] = dice.randrange(256)
    return bytes(changed)


def hole(data: bytes, dice: random.Random) -> bytes:
    start = dice.randrange(len(data))
    return data[:start] + data[start + dice.randint(1, 2000) :]


def rewired(data: bytes, dice: random.Random) -> bytes:
    """References point at other instances: wrong kinds, cycles, nothing."""
    numbers = re.findall(rb"#\d+", data)

    def other(found: re.Match[bytes]) -> bytes:
        return dice.choice(numbers) if dice.random() < 0.01 else found[0]

    return re.sub(rb"(?<=[(,])#\d+", other, data)


def revalued(data: bytes, dice: random.Random) -> bytes:
    """Attributes become unset, derived, lists, texts or numbers that are none."""
    values = [b"$", b"*", b"()", b"'x'", b"1.E400", b"-1", b".T.", b"(1,2)", b"''", b"NAN"]

    def other(found: re.Match[bytes]) -> bytes:
        return dice.choice(values) if dice.random() < 0.01 else found[0]

    return re.sub(rb"(?<=[(,])[^(),]+(?=[,)])", other, data)


def renamed(data: bytes, dice: random.Random) -> bytes:
    """Instances become instances of another class of the file, or of one that does not exist."""
    classes = [*set(re.findall(rb"=\s*(IFC\w+)", data)), b"IFCNOTHING"]

    def other(found: re.Match[bytes]) -> bytes:
        return b"=" + dice.choice(classes) if dice.random() < 0.01 else found[0]

    return re.sub(rb"=\s*IFC\w+", other, data)


MUTATIONS = (cut, cut_but_ended, flipped, hole, rewired, revalued, renamed)


@pytest.fixture(scope="session")
def originals(ifc) -> list[bytes]:
    real = [ifc / "japanese_ac16_unicode.ifc", ifc / "georef" / "geolocation-mapconversion.ifc"]
    return [author_site(FARM, seed=4, data_date=date(2026, 6, 15)).text.encode(), *(path.read_bytes() for path in real)]


@pytest.mark.parametrize("mutate", MUTATIONS, ids=lambda one: one.__name__)
def test_a_damaged_model_is_read_or_refused(originals, tmp_path, mutate: Callable[[bytes, random.Random], bytes]):
    dice = random.Random(7)
    for number in range(EACH):
        (tmp_path / f"{number:03}.ifc").write_bytes(mutate(originals[number % len(originals)], dice))
    script = Path(__file__).with_name("fork_readers.py")
    done = subprocess.run([sys.executable, script, tmp_path], capture_output=True, text=True, timeout=300, check=True)
    ends = json.loads(done.stdout)
    assert len(ends) == EACH
    escaped = {name: code for name, code in ends.items() if code not in (0, 3) and code >= 0}
    assert escaped == {}, done.stderr[-4000:]
    hung = [name for name, code in ends.items() if code == -14]
    assert hung == []


@pytest.mark.parametrize("mutate", MUTATIONS, ids=lambda one: one.__name__)
def test_the_parent_lives_through_every_kind_of_damage(originals, tmp_path, mutate):
    dice = random.Random(11)
    for number, original in enumerate(originals):
        path = tmp_path / f"{number}.ifc"
        path.write_bytes(mutate(original, dice))
        error: ModelError | None = None
        try:
            instances = read_model(path, tmp_path / "out").counts.instances
        except ModelError as refusal:
            error = refusal
        assert instances > 0 if error is None else error.problem and error.fix
