"""What reaches a gateway is what the operator signed, the newest of it, whole; anything else changes nothing."""

import itertools
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from inference.bundle import Bundle
from inference.registry.client import RunningModel, read_running
from inference.registry.package import pack
from inference.registry.repository import Repository, empty_targets, new_root, with_target, without_target
from wire.errors import InputError

World = Any  # of conftest.py


def _nothing_new(world: World, version: str = "1") -> bool:
    return not (world.folder / "gateway" / "ahu" / version).exists()


def test_a_published_model_is_taken_verified_and_runs_from_bytes(world: World, model_bytes: bytes) -> None:
    package = world.publish()
    [file] = world.gateway.take(world.wanted(package), world.fetch)
    data = (world.folder / "gateway" / file).read_bytes()
    assert data == model_bytes
    assert Bundle(data).manifest.kind == "asset"
    world.gateway.run(7, [RunningModel(id="ahu", version="1", sha256=package.sha256, mode="shadow", files=[file])])
    assert read_running(world.folder / "gateway").models[0].files == [file]


def test_what_was_taken_needs_no_link_to_be_used_again(world: World) -> None:
    package = world.publish()
    first = world.gateway.take(world.wanted(package), world.fetch)
    assert world.gateway.take(world.wanted(package, "live"), lambda _name: pytest.fail("asked")) == first


def test_a_file_that_was_changed_on_disk_is_fetched_anew(world: World, model_bytes: bytes) -> None:
    package = world.publish()
    [file] = world.gateway.take(world.wanted(package), world.fetch)
    (world.folder / "gateway" / file).write_bytes(model_bytes[:-1] + b"x")
    world.gateway.take(world.wanted(package), world.fetch)
    assert (world.folder / "gateway" / file).read_bytes() == model_bytes


def test_rollback_older_metadata_than_seen_is_refused(world: World) -> None:
    world.publish("1")
    old = world.copy()
    newer = world.publish("2")
    world.gateway.take(world.wanted(newer), world.fetch)
    third = world.publish("3")
    with pytest.raises(InputError, match="checks"):
        world.gateway.take(world.wanted(third), world.replay(old))
    assert _nothing_new(world, "3")


def test_freeze_metadata_that_has_expired_is_refused(world: World) -> None:
    package = world.publish()
    real = datetime.now(UTC)
    with mock.patch("tuf.ngclient._internal.trusted_metadata_set.datetime") as clock:
        clock.datetime.now.return_value = real + timedelta(days=30)
        with pytest.raises(InputError, match=r"ExpiredMetadata|expired"):
            world.gateway.take(world.wanted(package), world.fetch)
    assert _nothing_new(world)
    world.gateway.take(world.wanted(package), world.fetch)


def test_mix_and_match_a_snapshot_of_another_moment_is_refused(world: World) -> None:
    world.publish("1")
    old = world.copy()
    package = world.publish("2")
    new = world.copy()
    mixed = dict(new)
    snapshots = [max(n for n in copy if n.endswith("snapshot.json")) for copy in (old, new)]
    mixed[snapshots[1]] = old[snapshots[0]]
    with pytest.raises(InputError, match="checks"):
        world.gateway.take(world.wanted(package), world.replay(mixed))
    targets = [
        max((n for n in copy if n.endswith("targets.json")), key=lambda n: int(n[9:].partition(".")[0]))
        for copy in (old, new)
    ]
    mixed = dict(new) | {targets[1]: old[targets[0]]}
    with pytest.raises(InputError, match="checks"):
        world.gateway.take(world.wanted(package), world.replay(mixed))
    assert _nothing_new(world, "2")


def test_wrong_key_a_repository_of_somebody_else_is_refused(world: World, tmp_path: Path) -> None:
    other = type(world)(tmp_path / "other", world.trained)
    package = other.publish()
    with pytest.raises(InputError, match="checks"):
        world.gateway.take(world.wanted(package), other.fetch)
    assert _nothing_new(world)
    forged = pack(world.trained, model="ahu", version="9", key=Ed25519PrivateKey.generate())
    with pytest.raises(InputError, match="signed"):
        with_target(world.repository.targets or b"", forged, world.key)
    with pytest.raises(InputError, match="signed"):
        world.repository.take_package(forged, world.repository.targets or b"")


def test_a_twin_that_was_broken_into_cannot_sign_a_model(world: World) -> None:
    """The online key signs snapshot and timestamp only."""
    thief = world.repository._key
    with pytest.raises(InputError):
        world.repository.take_targets(empty_targets(thief))
    data = pack(world.trained, model="ahu", version="1", key=thief)
    with pytest.raises(InputError, match="signed"):
        world.repository.take_package(data, world.repository.targets or b"")


@pytest.mark.parametrize("spoil", ["truncated", "longer", "flipped", "empty"])
def test_a_target_that_is_not_whole_is_refused(world: World, spoil: str) -> None:
    package = world.publish()

    def fetch(name: str) -> Iterator[bytes] | None:
        data = world.repository.read(name)
        if data is None or not name.startswith("targets/"):
            return None if data is None else iter([data])
        changed = {"truncated": data[:-10], "longer": data + b"x", "flipped": data[:-1] + b"?", "empty": b""}
        return iter([changed[spoil]])

    with pytest.raises(InputError, match="checks"):
        world.gateway.take(world.wanted(package), fetch)
    assert _nothing_new(world)


@pytest.mark.parametrize("where", ["metadata/timestamp.json", "targets/", "root.json"])
def test_endless_data_is_cut_off(world: World, where: str) -> None:
    package, given = world.publish(), 0

    def endless() -> Iterator[bytes]:
        nonlocal given
        for _ in itertools.count():
            given += 100_000
            assert given < 10_000_000, "read on without end"
            yield b"x" * 100_000

    def fetch(name: str) -> Iterator[bytes] | None:
        return endless() if name.startswith(where) or name.endswith(where) else world.fetch(name)

    with pytest.raises(InputError, match="checks"):
        world.gateway.take(world.wanted(package), fetch)
    assert _nothing_new(world)


def test_a_transport_that_breaks_off_harms_nothing(world: World) -> None:
    package = world.publish()

    def fetch(name: str) -> Iterator[bytes] | None:
        if name.startswith("targets/"):
            raise TimeoutError("the link is gone")
        return world.fetch(name)

    with pytest.raises(InputError, match="checks"):
        world.gateway.take(world.wanted(package), fetch)
    world.gateway.take(world.wanted(package), world.fetch)


def test_another_bundle_under_a_wanted_hash_is_refused(world: World) -> None:
    package, second = world.publish("1"), world.publish("2")
    swapped = type(world.wanted(package))(id="ahu", version="1", sha256=second.sha256)
    with pytest.raises(InputError, match="wanted"):
        world.gateway.take(swapped, world.fetch)


def test_a_withdrawn_version_is_not_taken_any_more(world: World) -> None:
    package = world.publish()
    world.repository.take_targets(without_target(world.repository.targets or b"", "ahu", "1", world.key))
    with pytest.raises(InputError, match="not published"):
        world.gateway.take(world.wanted(package), world.fetch)


def test_a_published_version_cannot_be_replaced_by_other_bytes(world: World) -> None:
    world.publish("1")
    later = pack(world.trained, model="ahu", version="1", key=world.key, now=datetime(2030, 1, 1, tzinfo=UTC))
    with pytest.raises(InputError, match="published already"):
        with_target(world.repository.targets or b"", later, world.key)


def test_a_new_root_is_followed_and_its_keys_alone_count(world: World) -> None:
    before, fresh = world.publish("1"), Ed25519PrivateKey.generate()
    world.gateway.take(world.wanted(before), world.fetch)
    root = new_root(world.roots, fresh, world.repository.online_pem, before=world.root)
    targets = empty_targets(fresh)
    for _ in range(4):  # above the version that the old key signed
        targets = _next(targets, fresh)
    world.repository.take_root(root, targets)
    world.key = fresh
    world.gateway.take(world.wanted(world.publish("2")), world.fetch)
    with pytest.raises(InputError):
        world.repository.take_root(new_root([fresh], fresh, world.repository.online_pem, before=root), targets)


def _next(targets: bytes, key: Ed25519PrivateKey) -> bytes:
    from tuf.api.metadata import Metadata, Targets

    from inference.registry.repository import _next as next_version

    return next_version(Metadata[Targets].from_bytes(targets), key)


def test_a_twin_restored_from_a_backup_is_believed_again_once_something_is_published(
    world: World, tmp_path: Path
) -> None:
    world.publish("1")
    shutil.copytree(world.folder / "twin", tmp_path / "backup")
    second = world.publish("2")
    world.gateway.take(world.wanted(second), world.fetch)
    world.repository = Repository(tmp_path / "backup")
    world.repository.renew(force=True)
    shutil.rmtree(world.folder / "gateway" / "ahu")
    with pytest.raises(InputError, match="checks"):
        world.gateway.take(world.wanted(second), world.fetch)
    later = time.time() + 60
    with mock.patch("time.time", return_value=later):
        third = world.publish("3")
    assert world.gateway.take(world.wanted(third), world.fetch)


def test_names_that_lead_out_of_the_repository_give_nothing(world: World) -> None:
    for name in ("online.pem", "metadata/../online.pem", "/etc/passwd", "targets/../../x.json", "metadata/", ""):
        assert world.repository.read(name) is None
