"""A release made of wheels that are here: its own virtual environment, no network, and a look whether it starts.

The folder is made where it stays, since scripts name their interpreter; until `release.json` is in it, it is nothing.
"""

import asyncio
import importlib.util
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

from edge.update.prefix import Prefix
from edge.update.staging import check_space, wheel_files
from wire.errors import InputError
from wire.software import Bundle

__all__ = ["install"]

STEP_S_MAX: Final = 1_800.0  # compiling Arrow's files takes minutes on the slowest card
SAID_CHARS: Final = 400
_LOOK: Final = (
    "import sys, edge.agent\nfrom aid4.cli import main\nsys.argv = ['aid4', 'edge', 'check', sys.argv[1]]\nmain()"
)


async def install(prefix: Prefix, manifest: Bundle, config: Path) -> Path:
    """The folder of a release that starts with this configuration. InputError says what does not work."""
    version, folder = manifest.version, prefix.release(manifest.version)
    if prefix.is_whole(version, manifest):
        return folder
    if version in {prefix.current, prefix.before}:
        text = f"{version} is installed, made of other wheels"
        raise InputError(text, field="software", fix="give what is new a new version")
    check_space(prefix, manifest)
    await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    try:
        await _made(prefix, manifest, folder)
        await _step("does not start here", str(folder / "bin/python"), "-c", _LOOK, str(config))
        await asyncio.to_thread(prefix.finish, version, manifest)
    except BaseException:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        raise
    return folder


async def _made(prefix: Prefix, manifest: Bundle, folder: Path) -> None:
    """pip of this release serves the new one; where there is none, the new one gets its own."""
    has_pip = importlib.util.find_spec("pip") is not None
    await _step(
        "gets no virtual environment", sys.executable, "-m", "venv", *(["--without-pip"] * has_pip), str(folder)
    )
    python = str(folder / "bin/python")
    pip = [sys.executable, "-m", "pip", "--python", python] if has_pip else [python, "-m", "pip"]
    with tempfile.TemporaryDirectory(prefix="aid4-update-") as scratch:
        files = wheel_files(prefix, manifest, Path(scratch) / "wheels")
        # the manifest names every wheel with its hash: nothing is left to be chosen
        options = ["--quiet", "--no-input", "--disable-pip-version-check", "--no-cache-dir", "--no-index", "--no-deps"]
        await _step("does not install", *pip, "install", *options, *map(str, files))


async def _step(problem: str, *command: str) -> None:
    nice = ["nice", "-n", "15"] if shutil.which("nice") else []
    own = {name: text for name, text in os.environ.items() if not name.startswith(("PYTHON", "PIP_", "NOTIFY_"))}
    process = await asyncio.create_subprocess_exec(
        *nice, *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT, env=own | {"PIP_CONFIG_FILE": os.devnull},
    )  # fmt: skip
    try:
        async with asyncio.timeout(STEP_S_MAX):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        text = " ".join(said.decode(errors="replace").split())[-SAID_CHARS:]
        raise InputError(f"the release {problem}: {text}", field="software", fix="publish one that was tried elsewhere")
