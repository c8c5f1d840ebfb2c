"""A layer on the disk and the steps over it: whatever is there when the plug is pulled starts."""

import hashlib
import logging
import random
import subprocess
import sys
import tomllib
from pathlib import Path

import msgspec
import pytest

from edge.remote.begin import begin
from edge.remote.layer import FILE, STARTS_MAX, Kept, Layer, read_kept, write_kept
from edge.remote.logs import LogRing, read_logs
from edge.remote.overlay import check, resolved
from edge.remote.trial import Seen, verdict
from edge.sources import SourceHealth
from twin.fleet.stages import NodeStand, Told, judge, read_stages, stand_of
from wire.errors import InputError
from wire.masking import MASK, kept, masked, redacted
from wire.messages import ConfigWanted, LogsAsk, SectionFigures
from wire.toml_text import document_text

LOCAL = """site = "lab"
node = "gw"
[[source]]
kind = "host"
name = "health"
device = "gateway"
[publish.sparkplug]
url = "mqtt://127.0.0.1:1"
user = "me"
password = "correct horse"
group = "lab"
"""
WIDE = "[flush.bulk]\nage_s = 1.0\n"


def _wanted(revision: int, text: str) -> ConfigWanted:
    return ConfigWanted(revision, hashlib.sha256(text.encode()).hexdigest(), text)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = tmp_path / "edge.toml"
    found.write_text(LOCAL.partition("[publish")[0])
    return found


def test_every_state_that_a_kill_can_leave_starts(file: Path) -> None:
    spool, good, bad = file.parent / "spool", WIDE, '[[source]]\nkind = "gone"\nname = "x"\n'
    trying = Kept().tried(_wanted(5, good), good, ["health"], 1)
    states = [
        Kept(), trying, trying.started(2), trying.started(2).confirmed(3), trying.rolled_back("why", 3),
        Kept().refused(_wanted(5, bad), 1, "why"), Kept().tried(_wanted(5, bad), bad, [], 1),
        Kept(running=Layer(5, "", bad)),
    ]  # fmt: skip
    for state in states:
        write_kept(spool, state)
        wide = begin(file, 10).bulk.age_s == 1.0
        assert wide == (state.running.text == good)
    for torn in range(0, len(whole := (spool / FILE).read_bytes()), 7):
        (spool / FILE).write_bytes(whole[:torn])
        assert begin(file, 10).node == "gw", "a file that a dying card cut is none"


def test_a_trial_has_so_many_starts_and_a_refused_revision_no_second_attempt(file: Path) -> None:
    spool = file.parent / "spool"
    write_kept(spool, Kept().tried(_wanted(5, WIDE), WIDE, [], 1))
    for _ in range(STARTS_MAX):
        assert begin(file, 10).bulk.age_s == 1.0
    assert begin(file, 10).bulk.age_s != 1.0
    after = read_kept(spool)
    assert (after.figures.state, after.figures.judged) == ("rolled_back", 5)
    assert not after.is_news(_wanted(5, WIDE))
    assert after.is_news(_wanted(6, WIDE))


STUCK = """
import asyncio, sys, time
from pathlib import Path
from edge.remote import begin
from wire.clock import SystemClock

begin.STUCK_S = 0.5
file = Path(sys.argv[1])
asyncio.run(begin.keep_serving(file, asyncio.Event(), SystemClock(), lambda agent: time.sleep(600)))
"""


def test_an_agent_that_is_stuck_in_foreign_code_with_a_configuration_ends_and_that_start_counts(file: Path) -> None:
    spool = file.parent / "spool"
    trial = msgspec.structs.replace(_wanted(5, WIDE), trial_s=1.0)
    write_kept(spool, Kept().tried(trial, WIDE, [], 1))
    done = subprocess.run([sys.executable, "-c", STUCK, str(file)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "Timeout" in done.stderr
    left = read_kept(spool).trial
    assert left is not None
    assert left.starts == 1


def test_what_a_gateway_is_and_what_it_starts_is_never_set_from_afar(file: Path) -> None:
    for text, field in (
        ('site = "x"', "site"), ("[broker]", "broker"), ("[spool]", "spool"), ("[models]", "models"), ("[", "text"),
        ('[[source]]\nkind = "host"\nname = "health"\nmodem = "sh"', "source[0].modem"), ("x" * 70_000, "text"),
    ):  # fmt: skip
        with pytest.raises(InputError) as raised:
            resolved(file, text, Kept())
        assert raised.value.field == field
        assert raised.value.fix


def test_a_secret_is_masked_kept_where_the_mask_comes_back_and_never_sent_elsewhere(tmp_path: Path) -> None:
    file = tmp_path / "edge.toml"
    file.write_text(LOCAL)
    shown = document_text(masked(tomllib.loads(LOCAL)))
    assert "correct horse" not in shown
    part = {"publish": tomllib.loads(shown)["publish"]}
    assert "correct horse" in resolved(file, document_text(part), Kept())
    assert check(file, document_text(part)).parts == []
    part["publish"]["sparkplug"]["url"] = "mqtt://thief:1"
    with pytest.raises(InputError, match="another address"):
        resolved(file, document_text(part), Kept())
    part["publish"]["sparkplug"]["password"] = "battery staple"
    looked = check(file, document_text(part))
    assert "thief" in looked.diff
    assert "battery" not in looked.diff
    assert "correct" not in looked.diff


def test_seeded_nonsense_from_afar_is_refused_and_never_an_exception(file: Path) -> None:
    draw = random.Random(7)
    texts = [
        WIDE,
        '[[source]]\nkind = "host"\nname = "a"\nperiod_s = 1.0\n',
        "[page]\nport = 1\n[scoring]\nrow_s = 5\n",
    ]
    for _ in range(300):
        data = bytearray(draw.choice(texts).encode())
        for _ in range(draw.randint(1, 4)):
            data[draw.randrange(len(data))] = draw.randrange(256)
        answer = check(file, data.decode(errors="replace"))
        assert all(one.problem for one in answer.problems)
    for _ in range(300):
        table = {draw.choice(["a", "token", "url", "é "]): draw.choice([1, 2.5, True, "x\n\"'", [], ["t"], {"k": "v"}])}
        assert tomllib.loads(document_text(table)) == table
        assert kept(masked(table), [table]) == table


def test_a_log_is_bounded_read_on_by_its_cursor_and_has_no_secrets(tmp_path: Path) -> None:
    ring, log = LogRing(tmp_path, ["hunter22"], file_bytes=2_000), logging.getLogger("aid4.test-ring")
    log.addHandler(ring)
    log.setLevel(logging.DEBUG)
    log.propagate = False
    for at in range(500):
        log.log(logging.WARNING if at % 10 == 0 else logging.DEBUG, "line %d hunter22 token=abcdef\nmore", at)
    assert len(list(tmp_path.glob("*.log"))) == 8
    assert not any(b"hunter22" in one.read_bytes() or b"abcdef" in one.read_bytes() for one in tmp_path.iterdir())
    lines, ask = list[str](), LogsAsk(after=0, level="debug")
    while True:
        answer = read_logs(tmp_path, ask, 1_024)
        assert sum(map(len, answer.lines)) <= 1_024
        lines += answer.lines
        ask = LogsAsk(after=answer.after, level="debug")
        if not answer.more:
            break
    numbers = [int(line.split()[4]) for line in lines]
    assert numbers == list(range(numbers[0], 500)), "each line once, in order, up to the newest"
    assert all("WARNING" in line for line in read_logs(tmp_path, LogsAsk(level="warning"), 4_096).lines)
    assert read_logs(tmp_path, LogsAsk(level="debug"), 1_024).lines[-1] == lines[-1]
    assert read_logs(tmp_path, LogsAsk(since_us=2**60, level="debug"), 1_024).lines == []
    log.removeHandler(ring)
    ring.close()


def test_lines_with_a_bearer_a_url_and_a_token_are_cut() -> None:
    line = redacted('GET http://eva:pw12@h/ Authorization: Bearer abcdef123 "api_key": "zzz" aid4e1_AbC psk=99')
    for secret in ("pw12", "abcdef123", "zzz", "AbC", "99"):
        assert secret not in line
    assert MASK in line


def test_a_trial_fails_without_the_twin_and_without_the_values_of_before() -> None:
    health = {"a": SourceHealth(), "b": SourceHealth()}
    start = Seen(1, {"a": 5, "b": 5})
    assert "twin was not heard" in verdict(start, Seen(1, {"a": 6, "b": 6}), ["a"], health, 2)
    assert verdict(start, Seen(2, {"a": 6, "b": 5}), ["a", "gone"], health, 2) == ""
    assert "b: no value" in verdict(start, Seen(2, {"a": 6, "b": 5}), ["a", "b"], health, 2)


def test_a_stage_waits_holds_goes_on_and_stops_at_the_first_that_went_back() -> None:
    assert read_stages("1,50%,100%", 8) == [1, 4, 8]
    assert read_stages("10%", 3) == [1, 3]
    for wrong in ("0", "5,2", "1;2", "200%", "x"):
        with pytest.raises(InputError):
            read_stages(wrong, 10)
    good = SectionFigures(9, 9, "running")
    told = Told(True, 9, {"config": good}, frozenset({"old", "new"}))
    assert stand_of("config", 9, told, ["old", "new"]).state == "running"
    assert "new failed since" in stand_of("config", 9, told, ["old"]).why
    assert stand_of("config", 9, Told(False), []).state == "told"
    back = msgspec.structs.replace(good, revision=1, state="rolled_back", problem="silent")
    gone = stand_of("config", 9, Told(False, 9, {"config": back}), [])
    assert (gone.state, gone.why) == ("failed", "rolled back: silent")
    runs = {"a": NodeStand("running")}
    assert judge([1, 2], 0, runs, 5.0, 10.0).do == "hold"
    assert judge([1, 2], 0, runs, 10.0, 10.0).do == "next"
    assert judge([1, 2], 1, runs, 10.0, 10.0).do == "done"
    assert judge([1, 2], 0, {"a": NodeStand("trying", "on trial")}, None, 0).do == "wait"
    assert judge([1, 2], 1, runs | {"b": gone}, None, 0).do == "stop"
