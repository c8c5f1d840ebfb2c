"""Reads every file of a folder in a forked process of its own, and prints how each ended. Run by test_mutants.py.

Forking after the imports makes a reading cost what the file costs, so that hundreds fit into a test.
"""

import json
import os
import signal
import sys
import tempfile
import traceback
from pathlib import Path

import ifcopenshell  # noqa: F401 - loaded once, before the forks

import bim.reader  # noqa: F401
from bim.child import main

SECONDS = 30


def read_one(path: Path) -> None:
    """In the fork: read, and leave with the child's own exit code, 99 for an error that nobody caught."""
    signal.alarm(SECONDS)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    code = 99
    try:
        with tempfile.TemporaryDirectory() as out:
            code = main([str(path), out])
    except BaseException:  # noqa: BLE001 - the fork must leave through os._exit
        traceback.print_exc()
    finally:
        os._exit(code)


def ended(path: Path) -> int:
    """Exit code of reading one file, negative for a signal."""
    pid = os.fork()
    if pid == 0:
        read_one(path)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    print(json.dumps({path.name: ended(path) for path in sorted(Path(sys.argv[1]).iterdir())}))
