"""`boot` and the folder that it starts from, killed at every step: whatever is there then, one release starts."""

import os
import shutil
import signal
import stat
import subprocess
from pathlib import Path

import pytest

from edge.update.prefix import AGAIN, Facts, Kept, Prefix
from wire.private_files import write_private
from wire.software import Bundle, Wheel, release_order

FACTS = Facts(60.0)
WAIT_S = 60


def release(prefix: Prefix, version: str, script: str = 'echo "$0 $*"') -> None:
    """A release that is a shell script."""
    program = prefix.release(version) / "bin" / "aid4"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    digest = f"{int(version):064x}"
    wheels = (Wheel("aid4", version, f"aid4-{version}.whl", 1, digest),)
    prefix.finish(version, Bundle("x86_64", "3.11", (), version, wheels))
    (prefix.wheels / f"{digest}.whl").touch()


def boot(prefix: Prefix, *, systemd: bool = True) -> str:
    """The version that starts; under systemd `boot` becomes it."""
    env = {"PATH": os.environ["PATH"]} | ({"NOTIFY_SOCKET": "@none"} if systemd else {})
    done = subprocess.run(
        [prefix.folder / "boot", "edge", "run"], env=env, capture_output=True, text=True, timeout=WAIT_S
    )
    said = done.stdout.splitlines()[-1]
    assert said.endswith("/bin/aid4 edge run"), done.stderr
    return Path((prefix.folder / "current").resolve() if "current" in said else said.split()[0]).name


@pytest.fixture
def prefix(tmp_path: Path) -> Prefix:
    made = Prefix(tmp_path / "a place")
    made.prepare()
    for version in ("1", "2"):
        release(made, version)
    made.switch("1", None)
    return made


def test_a_release_that_never_proves_itself_is_started_three_times_and_then_the_one_before(prefix: Prefix) -> None:
    assert boot(prefix) == "1"
    prefix.switch("2", FACTS)
    assert (prefix.on_trial, prefix.before, prefix.facts()) == ("2", "1", FACTS)
    assert [boot(prefix) for _ in range(5)] == ["2", "2", "2", "1", "1"]
    assert "started 3 times" in prefix.why_failed("2")
    assert prefix.on_trial == ""


def test_one_that_proved_itself_stays_and_one_that_says_why_not_goes_at_once(prefix: Prefix) -> None:
    prefix.switch("2", FACTS)
    assert boot(prefix) == "2"
    prefix.confirm()
    assert [boot(prefix) for _ in range(4)] == ["2"] * 4
    prefix.switch("1", FACTS)
    assert boot(prefix) == "1"
    prefix.fail("1", "it fell silent")
    assert boot(prefix) == "2"
    assert prefix.why_failed("1") == "it fell silent"


@pytest.mark.parametrize("step", range(12))
def test_killed_at_any_step_of_a_switch_one_of_both_starts(
    prefix: Prefix, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class KilledError(BaseException):
        pass

    count = 0

    def killed(event: str, work: object) -> object:
        def at(*args: object, **more: object) -> object:
            nonlocal count
            count += 1
            if count > step:
                raise KilledError(event)
            return work(*args, **more)  # type: ignore[operator]

        return at

    for kind, name in ((Path, "mkdir"), (Path, "rename"), (Path, "symlink_to"), (Path, "unlink"), (shutil, "rmtree")):
        monkeypatch.setattr(kind, name, killed(name, getattr(kind, name)))
    monkeypatch.setattr("edge.update.prefix.write_private", killed("write", write_private))
    try:
        prefix.switch("2", FACTS)
        whole = True
    except KilledError:
        whole = False
    monkeypatch.undo()
    begun = boot(prefix)
    assert begun == "2" if whole else begun in {"1", "2"}
    assert begun == prefix.current
    assert prefix.on_trial == ("2" if begun == "2" else ""), "a new release runs on trial or not at all"
    prefix.switch("2", FACTS)  # as the agent does when it finds that it was not done
    assert boot(prefix) == "2"


def test_killed_between_the_verdict_and_the_way_back_it_goes_back(prefix: Prefix) -> None:
    prefix.switch("2", FACTS)
    prefix.fail("2", "silent")
    for name in ("current.new", "trial.old"):
        (prefix.folder / name).mkdir() if name == "trial.old" else (prefix.folder / name).symlink_to("releases/9")
    assert boot(prefix) == "1"
    prefix.switch("2", None)  # set back by hand while a trial of it still lies there
    assert boot(prefix) == "2"


def test_a_release_whose_program_is_gone_gives_way(prefix: Prefix) -> None:
    prefix.switch("2", FACTS)
    shutil.rmtree(prefix.release("2"))
    assert boot(prefix) == "1"


def test_without_systemd_boot_stays_and_starts_again_what_asks_for_it(prefix: Prefix) -> None:
    counter = prefix.folder / "starts"
    script = f'echo . >>"{counter}"; [ "$(wc -l <"{counter}")" -ge 3 ] && echo "$0 $*" && exit 0; exit {AGAIN}'
    (prefix.release("1") / "bin/aid4").write_text(f"#!/bin/sh\n{script}\n")
    assert boot(prefix, systemd=False) == "1"
    assert len(counter.read_text().splitlines()) == 3


def test_told_to_stop_boot_tells_the_agent_and_ends_with_it(prefix: Prefix, tmp_path: Path) -> None:
    log = tmp_path / "log"
    wait = f'trap \'echo stopped >>"{log}"; exit 0\' TERM; echo up >>"{log}"; while :; do sleep 0.1; done'
    (prefix.release("1") / "bin/aid4").write_text(f"#!/bin/sh\n{wait}\n")
    process = subprocess.Popen([prefix.folder / "boot", "edge", "run"], stdout=subprocess.DEVNULL)
    while not log.exists() or "up" not in log.read_text():
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(WAIT_S) == 0
    assert log.read_text().split() == ["up", "stopped"]


def test_two_releases_stay_and_the_wheels_of_both(prefix: Prefix) -> None:
    for version in ("3", "4"):
        release(prefix, version)
    for half in ("5", ".odd"):
        (prefix.releases / half).mkdir()
    prefix.switch("3", None)
    prefix.fail("4", "silent")
    prefix.prune()
    assert {path.name for path in prefix.releases.iterdir()} == {"2", "3"}
    assert len(list(prefix.wheels.iterdir())) <= 2


def test_what_cannot_be_read_is_as_if_nothing_was_said(prefix: Prefix) -> None:
    prefix.keep(Kept(7, "2", 6))
    assert prefix.kept() == Kept(7, "2", 6)
    (prefix.folder / "section.json").write_bytes(b"\xff{")
    assert prefix.kept() == Kept()
    prefix.switch("2", FACTS)
    (prefix.folder / "trial" / "facts.json").write_text("{")
    assert prefix.facts() is None


def test_versions_stand_in_their_order() -> None:
    told = ["1.2.dev3", "1.2a9", "1.2rc1", "1.2", "1.2.post1", "1.2.1", "1.10", "2"]
    assert sorted({*told}, key=release_order) == told
