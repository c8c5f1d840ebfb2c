"""Where releases live side by side, and which one runs: for good, or on trial.

```
<prefix>/boot                    starts `current`; see boot.sh, which alone switches back
         current                 -> releases/<version>, replaced as a whole
         releases/<version>/     a virtual environment; `release.json` in it is written last
         trial/                  version, before, starts, facts.json: there while a release must prove itself
         failed/<version>        why it was taken back: it is not tried again by itself
         wheels/<sha256>.whl     of the releases that are here, so that the next one needs fewer
         section.json            what the twin wanted last, and what runs because of it
```
Every step is one rename, so an agent that is killed at any of them starts with one release or the other.
"""

import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from wire.private_files import write_private
from wire.software import Bundle, release_order

__all__ = ["AGAIN", "BOOT", "Facts", "Kept", "Prefix", "prefix_booted", "prefix_here"]

AGAIN: Final = 75  # exit code that asks boot.sh, or systemd, for another start
RELEASES_KEPT: Final = 2
WHY_CHARS_MAX: Final = 500
BOOT: Final = Path(__file__).with_name("boot.sh")


class Facts(msgspec.Struct, frozen=True):
    """What a release on trial has to reach: the sources that ran before it, and the twin if that was reached."""

    trial_s: float
    linked: bool = True
    running: tuple[str, ...] = ()


class Kept(msgspec.Struct, frozen=True):
    """`section.json`: the newest revision wanted and its version, and the revision that runs (0: put here by hand).
    `own` is what ran before a twin first named a version."""

    judged: int = 0
    wanted: str = ""
    revision: int = 0
    since_us: int = 0
    refused: str = ""
    fix: str = ""
    own: str = ""


class Prefix:
    """One installation. Raises OSError only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.releases, self.wheels = folder / "releases", folder / "wheels"
        self._trial, self._failed, self._current = folder / "trial", folder / "failed", folder / "current"

    @property
    def current(self) -> str:
        """The version that the next start runs; empty before the first."""
        try:
            return self._current.readlink().name
        except OSError:
            return ""

    def release(self, version: str) -> Path:
        """Where a version is, or will be."""
        return self.releases / version

    def is_whole(self, version: str, manifest: Bundle) -> bool:
        """Whether a version is installed to its end, of just these wheels."""
        return self.manifest(version) == manifest

    def manifest(self, version: str) -> Bundle | None:
        """What a release was made of; None for one that is not whole, or was made by install.sh."""
        try:
            return msgspec.json.decode((self.release(version) / "release.json").read_bytes(), type=Bundle)
        except (OSError, msgspec.MsgspecError):
            return None

    def finish(self, version: str, manifest: Bundle) -> None:
        """A release is whole now."""
        write_private(self.release(version) / "release.json", msgspec.json.encode(manifest))

    # -- trial

    @property
    def on_trial(self) -> str:
        """The version that must prove itself; empty when none must."""
        return _text(self._trial / "version")

    @property
    def before(self) -> str:
        """The version that comes back if the trial fails."""
        return _text(self._trial / "before")

    def facts(self) -> Facts | None:
        """What the trial asks for; None when there is none, or nobody can read what it asks."""
        try:
            return msgspec.json.decode((self._trial / "facts.json").read_bytes(), type=Facts)
        except (OSError, msgspec.MsgspecError):
            return None

    def switch(self, version: str, facts: Facts | None) -> None:
        """The next start runs `version`, on trial when there are facts to reach and a release to come back to."""
        before = self.current
        if facts is not None and before and before != version:
            fresh = self.folder / "trial.new"
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir()
            texts = {"version": version.encode(), "before": before.encode(), "facts.json": msgspec.json.encode(facts)}
            for name, data in texts.items():
                write_private(fresh / name, data)
            shutil.rmtree(self._trial, ignore_errors=True)
            fresh.rename(self._trial)
        link = self.folder / "current.new"
        link.unlink(missing_ok=True)
        link.symlink_to(f"releases/{version}")
        link.rename(self._current)
        _sync(self.folder)

    def confirm(self) -> None:
        """The trial is over: what runs stays."""
        gone = self.folder / "trial.old"
        shutil.rmtree(gone, ignore_errors=True)
        if self._trial.exists():
            self._trial.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)

    def fail(self, version: str, why: str) -> None:
        """A version is not to be tried again; on trial, boot.sh brings the one before back at the next start."""
        self._failed.mkdir(exist_ok=True)
        write_private(self._failed / version, why[:WHY_CHARS_MAX].encode())

    def forgive(self, version: str) -> None:
        """A person wants it tried again."""
        (self._failed / version).unlink(missing_ok=True)

    def why_failed(self, version: str) -> str:
        """Why it was taken back; empty when it never was."""
        return _text(self._failed / version) if version else ""

    # -- housekeeping

    def kept(self) -> Kept:
        """What the twin wanted last."""
        try:
            return msgspec.json.decode((self.folder / "section.json").read_bytes(), type=Kept)
        except (OSError, msgspec.MsgspecError):
            return Kept()

    def keep(self, kept: Kept) -> None:
        """Write it down, durable."""
        write_private(self.folder / "section.json", msgspec.json.encode(kept))

    def prune(self, more: Iterable[str] = ()) -> None:
        """Delete releases beyond what runs, what comes back and the newest, and wheels that none of them is made of."""
        held = [one for one in dict.fromkeys([self.current, self.before, *more]) if one]
        there = [path.name for path in self.releases.iterdir() if path.is_dir()] if self.releases.exists() else []
        for version in sorted((one for one in there if self.manifest(one)), key=release_order, reverse=True):
            if len(held) < RELEASES_KEPT and version not in held and not self.why_failed(version):
                held.append(version)
        for version in set(there) - set(held):
            shutil.rmtree(self.release(version), ignore_errors=True)
        used = {one.sha256 for version in held if (made := self.manifest(version)) for one in made.wheels}
        for path in self.wheels.glob("*") if used else ():
            if path.name.partition(".")[0] not in used:
                path.unlink(missing_ok=True)

    def prepare(self) -> None:
        """The folders, and `boot` where there is none."""
        for folder in (self.releases, self.wheels):
            folder.mkdir(parents=True, exist_ok=True)
        boot = self.folder / "boot"
        if not boot.exists():
            fresh = self.folder / "boot.new"
            fresh.write_bytes(BOOT.read_bytes())
            fresh.chmod(0o755)
            fresh.rename(boot)


def prefix_here() -> Prefix | None:
    """The installation that this interpreter runs from; None when it is a plain virtual environment."""
    here = Path(sys.prefix)
    folder = here.parent.parent
    return Prefix(folder) if here.parent.name == "releases" and (folder / "boot").exists() else None


def prefix_booted() -> Prefix | None:
    """The same, if its `boot` started this process: only then does somebody start the next release."""
    found = prefix_here()
    told = os.environ.get("AID4_PREFIX", "")
    return found if found is not None and told and Path(told).resolve() == found.folder.resolve() else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()[:WHY_CHARS_MAX]
    except OSError:
        return ""


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
