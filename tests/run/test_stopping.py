"""How our processes end: at a signal, within a bound, and not after the one that started them."""

import signal
import subprocess
import sys
import textwrap

import psutil

STUCK = """
    import asyncio, threading
    from wire.stopping import stop_on_signals

    async def main():
        stop = asyncio.Event()
        stop_on_signals(stop, within_s=0.5)
        print("up", flush=True)
        await stop.wait()
        print("told", flush=True)
        {work}

    asyncio.run(main())
"""
PARENT = """
    import functools, os, subprocess, sys, time
    from wire.stopping import die_with_parent

    early = functools.partial(die_with_parent, parent=os.getpid())
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], preexec_fn=early)
    print(child.pid, flush=True)
    time.sleep(60)
"""


def process(program: str, **parts: str) -> subprocess.Popen[str]:
    text = textwrap.dedent(program.format(**parts))
    return subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_process_that_is_told_to_stop_ends_by_itself() -> None:
    with process(STUCK, work="pass") as one:
        assert one.stdout is not None
        assert one.stdout.readline() == "up\n"
        one.send_signal(signal.SIGTERM)
        out, err = one.communicate(timeout=20)
        assert (one.returncode, out, err) == (0, "told\n", "")


def test_a_stuck_process_says_where_it_stands_and_ends() -> None:
    work = 'threading.Thread(target=threading.Event().wait, name="stuck").start()'
    with process(STUCK, work=work) as one:
        assert one.stdout is not None
        assert one.stdout.readline() == "up\n"
        one.send_signal(signal.SIGTERM)
        _, err = one.communicate(timeout=20)
        assert one.returncode == 1
        assert "Timeout" in err
        assert "threading.py" in err


def test_a_child_ends_with_a_parent_that_is_killed_outright() -> None:
    with process(PARENT) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
        parent.wait(20)
        _, alive = psutil.wait_procs([child], timeout=20)
        assert alive == []


def test_a_child_ends_whose_parent_was_gone_before_it_could_ask() -> None:
    program = "from wire.stopping import die_with_parent; die_with_parent(parent=1 << 30); print('lives on')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (-signal.SIGTERM, "")
