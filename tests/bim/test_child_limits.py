"""The bounds of the child process, each met for real, and the parent alive after each."""

import signal
import threading
import time
from pathlib import Path

import psutil
import pytest

from bim.errors import ModelError
from bim.limits import MIB, ModelLimits
from bim.open import read_model


@pytest.fixture
def large(shared_data) -> Path:
    return shared_data / "bim" / "schependomlaan" / "design.ifc"


def reason_of(path: Path, out: Path, limits: ModelLimits) -> str:
    with pytest.raises(ModelError) as caught:
        read_model(path, out, limits)
    assert caught.value.fix
    return caught.value.reason


def the_child() -> psutil.Process:
    """The reader that a thread of this process has started, once it runs Python code of ours."""
    for _ in range(2000):
        for process in psutil.Process().children():
            if any("bim.child" in part for part in process.cmdline()):
                return process
        time.sleep(0.002)
    raise AssertionError("no child was started")


def read_and_send(path: Path, out: Path, number: signal.Signals, limits: ModelLimits) -> ModelError:
    """Read a model in a thread, and send its child a signal as soon as there is one."""
    caught: list[ModelError] = []

    def reading() -> None:
        try:
            read_model(path, out, limits)
        except ModelError as error:
            caught.append(error)

    thread = threading.Thread(target=reading)
    thread.start()
    the_child().send_signal(number)
    thread.join(60)
    assert not thread.is_alive()
    return caught[0]


@pytest.mark.parametrize("mib", [60, 250, 340, 400])
def test_too_little_memory_is_a_refusal(large, tmp_path, mib):
    assert reason_of(large, tmp_path, ModelLimits(memory_bytes=mib * MIB)) == "memory"


def test_a_reader_that_takes_too_long_is_killed(large, tmp_path):
    assert reason_of(large, tmp_path, ModelLimits(wall_s=0.2)) == "time"
    assert psutil.Process().children() == []


def test_a_reader_that_hangs_is_killed(large, tmp_path):
    error = read_and_send(large, tmp_path, signal.SIGSTOP, ModelLimits(wall_s=1.0))
    assert error.reason == "time"
    assert psutil.Process().children() == []


def test_a_reader_out_of_processor_time_is_told_so(large, tmp_path):
    error = read_and_send(large, tmp_path, signal.SIGXCPU, ModelLimits())
    assert error.reason == "time"
    assert "processor time" in error.problem


def test_tables_beyond_their_bound_are_refused(large, tmp_path):
    limits = ModelLimits(output_bytes=100_000, unpacked_bytes=100_000)
    assert reason_of(large, tmp_path, limits) == "too_big"


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS])
def test_a_crash_names_its_signal(large, tmp_path, number):
    error = read_and_send(large, tmp_path, number, ModelLimits())
    assert error.reason == "crash"
    assert number.name in error.problem


def test_a_reader_killed_from_outside_is_no_crash_of_ours(large, tmp_path):
    assert read_and_send(large, tmp_path, signal.SIGKILL, ModelLimits()).reason == "memory"
