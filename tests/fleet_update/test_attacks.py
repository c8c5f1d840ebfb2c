"""What is not signed, old, cut, altered or of another machine is never installed; and nothing of it stays."""

import asyncio
import gzip
import io
import random
import shutil
import tarfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.parts import FileParts
from edge.update.prefix import Prefix
from edge.update.staging import (
    check_space,
    fetch_wheels,
    fitting_name,
    manifest_of_file,
    missing,
    verified_manifest,
    wheels_of,
)
from inference.registry.repository import new_root, with_file
from wire.errors import InputError
from wire.limits import FILE_PART_BYTES
from wire.messages import Fetch, FilePart
from wire.software import Bundle, Carried, manifest_of, read_carried, read_manifest, target_name, wheel_name

Shop = Any  # of conftest.py
SMALL = {"aid4/__init__.py": b"# " + bytes(range(48, 58)) * 40_000}


@pytest.fixture
def prefix(tmp_path: Path) -> Prefix:
    made = Prefix(tmp_path / "aid4")
    made.prepare()
    return made


@pytest.fixture
def trust(tmp_path: Path) -> Path:
    return tmp_path / "update" / "trust"


def signed(shop: Shop, version: str) -> Path:
    file: Path = shop.bundle(version, files=SMALL | {"aid4/version.py": version.encode()})
    shop.sign(file)
    return file


def refused(work: Callable[[], object]) -> InputError:
    with pytest.raises(InputError) as caught:
        work()
    assert caught.value.fix, "every refusal says what to do"
    return caught.value


def test_a_signed_bundle_is_taken_and_one_by_another_key_is_not(shop: Shop, prefix: Prefix, trust: Path) -> None:
    file = signed(shop, "1.0")
    manifest = manifest_of_file(trust, shop.root, file)
    wheels_of(prefix, manifest, file)
    assert missing(prefix, manifest) == []
    other = Ed25519PrivateKey.generate()
    foreign = new_root([other], other, shop.repository.online_pem)
    assert "passes" not in str(refused(lambda: manifest_of_file(trust.parent / "other", foreign, file)))
    data, made = manifest_of(file)
    name = target_name(made.version, made.arch, made.python)
    refused(lambda: shop.repository.take_file(name, data, with_file(shop.repository.targets, name, data, other)))


def test_without_its_signatures_or_for_another_machine_it_is_refused(shop: Shop, trust: Path) -> None:
    file = shop.bundle("1.0", files=SMALL)
    assert "not there" in str(refused(lambda: manifest_of_file(trust, shop.root, file)))
    shop.sign(file)
    packed = gzip.decompress(file.read_bytes())
    data, made = manifest_of(file)
    file.write_bytes(
        gzip.compress(
            packed.replace(
                f'"arch": "{made.arch}"'.encode(), b'"arch": "riscv64"'[:99].ljust(len(f'"arch": "{made.arch}"'))
            )
        )
    )
    assert data != b""
    assert "not this machine" in str(refused(lambda: manifest_of_file(trust, shop.root, file)))


def test_signatures_of_yesterday_are_refused_after_those_of_today(shop: Shop, trust: Path) -> None:
    first = signed(shop, "1.0")
    old = first.with_name(first.name + ".tuf").read_bytes()
    second = signed(shop, "2.0")
    manifest_of_file(trust, shop.root, second)
    error = refused(lambda: manifest_of_file(trust, shop.root, first))
    assert "older signatures" in error.problem
    assert "newer" in error.fix
    shop.carry(first)
    assert manifest_of_file(trust, shop.root, first).version == "1.0", "the operator signs it still"
    first.with_name(first.name + ".tuf").write_bytes(old)
    refused(lambda: manifest_of_file(trust, shop.root, first))


def test_expired_signatures_are_told_with_what_to_do(shop: Shop, trust: Path) -> None:
    file = signed(shop, "1.0")
    shop.carry(file, days=-0.5)
    error = refused(lambda: manifest_of_file(trust, shop.root, file))
    assert "expired" in error.problem
    assert "newer signatures" in error.fix
    assert "clock" in error.fix


def test_parts_of_two_publications_do_not_fit_together(shop: Shop, trust: Path) -> None:
    first, second = signed(shop, "1.0"), signed(shop, "2.0")
    new, old = (read_carried(one.with_name(one.name + ".tuf")).files for one in (second, first))
    for name in sorted(new):
        if name.endswith((".targets.json", ".snapshot.json")):
            stale = next(text for other, text in old.items() if other.endswith(name.partition(".")[2]))
            mixed = Carried(new | {name: stale})
            second.with_name(second.name + ".tuf").write_bytes(msgspec.json.encode(mixed))
            refused(partial(manifest_of_file, trust.parent / name, shop.root, second))
    data, made = manifest_of(second)
    swapped = {f"targets/{fitting_name('1.0')}": data} | {name: text.encode() for name, text in new.items()}
    fetch: Callable[[str], Iterator[bytes] | None] = lambda name: iter([swapped[name]]) if name in swapped else None  # noqa: E731
    refused(lambda: verified_manifest(trust, shop.root, "1.0", fetch))
    assert made.version == "2.0"


def test_a_bundle_altered_anywhere_leaves_no_wheel_that_was_not_signed(
    shop: Shop, prefix: Prefix, trust: Path, tmp_path: Path
) -> None:
    file = signed(shop, "1.0")
    manifest = manifest_of_file(trust, shop.root, file)
    plain, chance = gzip.decompress(file.read_bytes()), random.Random(41)
    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
        inside = [one for one in tar.getmembers() if one.name.endswith(".whl")]
    for attempt in range(30):
        bad = bytearray(plain)
        if attempt % 3:
            member = chance.choice(inside)
            bad[member.offset_data + chance.randrange(member.size)] ^= 1 << chance.randrange(8)
        else:
            del bad[chance.randrange(512, inside[-1].offset_data + 10) :]
        (file := tmp_path / "bad.tar.gz").write_bytes(gzip.compress(bytes(bad), 1))
        refused(lambda: wheels_of(prefix, manifest, tmp_path / "bad.tar.gz"))
        good = {wheel_name(one.sha256).rpartition("/")[2] for one in manifest.wheels}
        assert {path.name for path in prefix.wheels.glob("*.whl")} <= good
        assert {one.sha256 for one in manifest.wheels} >= {one.sha256 for one in missing(prefix, manifest)}
        shutil.rmtree(prefix.wheels)
        prefix.prepare()


def test_a_manifest_or_signatures_of_any_bytes_are_read_or_refused(shop: Shop, tmp_path: Path) -> None:
    data, _ = manifest_of(shop.bundle("1.0", files=SMALL))
    chance, read = random.Random(7), 0
    for _ in range(400):
        bad = bytearray(data)
        for _ in range(chance.randrange(1, 4)):
            bad[chance.randrange(len(bad))] = chance.randrange(256)
        del bad[chance.choice([len(bad), chance.randrange(len(bad))]) :]
        try:
            found = read_manifest(bytes(bad), "fuzz")
            assert all(Path("x", one.file).resolve().parent == Path("x").resolve() for one in found.wheels)
            read += 1
        except InputError:
            pass
        (tmp_path / "x.tuf").write_bytes(bytes(bad))
        with pytest.raises(InputError):
            read_carried(tmp_path / "x.tuf")
    assert read < 400


class Twin:
    """Answers for wheels from a folder, as told: honest, cut short, or with a lie at some offset."""

    def __init__(self, manifest: Bundle, file: Path) -> None:
        self.data: dict[str, bytes] = {}
        with tarfile.open(file) as tar:
            held = {one.name.rpartition("/")[2]: tar.extractfile(one) for one in tar.getmembers()}
            for one in manifest.wheels:
                stream = held[one.file]
                assert stream is not None
                self.data[f"targets/{wheel_name(one.sha256)}"] = stream.read()
        self.asked: list[Fetch] = []
        self.ends_after = 10_000
        self.lie = b""
        self.parts = FileParts(self.ask)

    def ask(self, ask: Fetch) -> None:
        self.asked.append(ask)
        if len(self.asked) > self.ends_after:
            return
        data = self.data[ask.name]
        part = self.lie or data[ask.offset : ask.offset + FILE_PART_BYTES]
        answer = FilePart(ask.name, ask.offset, len(data), part[: len(data) - ask.offset])
        asyncio.get_running_loop().call_soon(self.parts.part, answer)


async def no_wait(_size: int) -> None:
    return None


async def test_a_fetch_that_broke_off_goes_on_where_it_ended_and_takes_only_what_is_missing(
    shop: Shop, prefix: Prefix, trust: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.parts.ANSWER_S", 0.02)
    first, second = signed(shop, "1.0"), signed(shop, "1.1")
    manifest = manifest_of_file(trust, shop.root, second)
    twin = Twin(manifest, second)
    own = max(manifest.wheels, key=lambda one: one.bytes)
    twin.ends_after = 2
    with pytest.raises(TimeoutError):
        await fetch_wheels(prefix, [own], twin.parts, no_wait)
    there = (prefix.wheels / f"{own.sha256}.part").stat().st_size
    assert there == min(2 * FILE_PART_BYTES, own.bytes)
    twin.ends_after, before = 10_000, len(twin.asked)
    await fetch_wheels(prefix, missing(prefix, manifest), twin.parts, no_wait)
    assert next(ask for ask in twin.asked[before:] if ask.name.endswith(f"{own.sha256}.whl")).offset == there
    assert missing(prefix, manifest) == []
    older = read_manifest(manifest_of(first)[0], "1.0")
    assert [one.name for one in missing(prefix, older)] == ["aid4"], "the libraries of both are the same"


async def test_a_twin_that_sends_other_bytes_is_refused_and_they_are_gone(
    shop: Shop, prefix: Prefix, trust: Path
) -> None:
    file = signed(shop, "1.0")
    manifest = manifest_of_file(trust, shop.root, file)
    twin = Twin(manifest, file)
    twin.lie = b"x" * FILE_PART_BYTES
    with pytest.raises(InputError, match="not what was signed"):
        await fetch_wheels(prefix, missing(prefix, manifest), twin.parts, no_wait)
    assert list(prefix.wheels.iterdir()) == []


def test_a_disk_without_room_is_told_before_anything_is_written(
    shop: Shop, prefix: Prefix, trust: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = manifest_of_file(trust, shop.root, signed(shop, "1.0"))
    check_space(prefix, manifest)
    monkeypatch.setattr("shutil.disk_usage", lambda _folder: SimpleNamespace(free=35_000_000))
    error = refused(lambda: check_space(prefix, manifest))
    assert "are needed" in error.problem
    assert "MB there" in error.fix
