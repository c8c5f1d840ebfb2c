"""`aid4 edge service`: the systemd unit of an agent, with the paths of this machine."""

import grp
import json
import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge.update.prefix import prefix_here
from wire.errors import UserError

if TYPE_CHECKING:
    from edge.config import AgentConfig

__all__ = ["service", "unit_text"]

UNIT = "aid4-edge.service"
TEMPLATE = Path(__file__).resolve().parents[1] / "configs" / "systemd" / UNIT
FOLDER = Path("/etc/systemd/system")
SERIAL_GROUPS = ("dialout", "uucp")  # Debian and its kin, Arch


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), default=Path("edge.toml"))
@click.option("--user", default="", help="Who runs it; the owner of FILE unless told.")
@click.option("--install", "installs", is_flag=True, help="Write it, enable it and start it; else it is only shown.")
@click.option("--to", "folder", type=click.Path(path_type=Path, file_okay=False), default=FOLDER, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def service(file: Path, user: str, installs: bool, folder: Path, as_json: bool) -> None:
    """Show the systemd unit for the agent of FILE: started at boot, watched, started again, and shut in.

    Nothing is changed without --install. Another folder than systemd's own (--to) only gets the unit.
    """
    from edge.config import load

    config = load(file)
    text = unit_text(config, user or _owner(file))
    steps = _steps() if folder == FOLDER else []
    if installs:
        _write(folder / UNIT, text)
        for step in steps:
            _carry_out(step)
    if as_json:
        shown = {"unit": UNIT, "path": str(folder / UNIT), "installed": installs, "text": text}
        click.echo(json.dumps(shown | {"steps": [" ".join(step) for step in steps]}))
    elif installs:
        click.echo(f"wrote {folder / UNIT}" + ("; it runs: `systemctl status aid4-edge`" if steps else ""))
    else:
        click.echo(text, nl=False)
        click.echo(f"\nnothing was changed; --install writes it to {folder / UNIT}", err=True)


def unit_text(config: "AgentConfig", user: str) -> str:
    """The unit for a configuration. UserError for a user that is not there or a path that it cannot name."""
    try:
        pwd.getpwnam(user)
    except KeyError:
        fix = f"useradd --system --no-create-home {user}, or name another with --user"
        raise UserError(f"there is no user {user!r}", field="--user", fix=fix) from None
    file = config.file.resolve()
    prefix = prefix_here()  # updates write beside what runs, and `boot` chooses what starts
    program = prefix.folder / "boot" if prefix is not None else _command()
    writable = dict.fromkeys([file.parent, config.spool_dir.resolve(), *([prefix.folder] if prefix else [])])
    values = {
        "User": user,
        "WorkingDirectory": _word(file.parent, quoted=False),
        "ExecStart": f"{_word(program)} edge run {_word(file)}",
        "ReadWritePaths": " ".join(_word(path) for path in writable),
    }
    lines = []
    template = TEMPLATE.read_text(encoding="utf-8")
    for line in template[template.index("[Unit]") :].splitlines():
        name = line.partition("=")[0]
        lines.append(f"{name}={values[name]}" if name in values else line)
        if name == "User" and (group := _serial_group(config)):
            lines.append(f"SupplementaryGroups={group}")
    return "\n".join(lines) + "\n"


def _command() -> Path:
    """The `aid4` beside the Python that runs now."""
    found = Path(sys.executable).with_name("aid4")
    if not found.exists():
        raise UserError(
            "is not there", file=str(found), fix="install aid4 into this environment: pip install 'aid4[edge]'"
        )
    return found


def _word(path: Path, *, quoted: bool = True) -> str:
    """A path as a unit takes it."""
    text = str(path)
    if not text.isprintable() or any(mark in text for mark in "\"\\'$;"):
        raise UserError(f"{text!r} has signs that systemd reads otherwise", field="FILE", fix="move it elsewhere")
    text = text.replace("%", "%%")
    return f'"{text}"' if quoted and " " in text else text


def _serial_group(config: "AgentConfig") -> str:
    """The group of serial ports, where a source has one."""
    urls = [str(getattr(source, "url", "")) for source in config.sources]
    if not any(url.startswith(("rtu:", "serial:")) for url in urls):
        return ""
    there = {group.gr_name for group in grp.getgrall()}
    return next((name for name in SERIAL_GROUPS if name in there), "")


def _owner(file: Path) -> str:
    return pwd.getpwuid(file.stat().st_uid).pw_name


def _steps() -> list[list[str]]:
    return [["systemctl", "daemon-reload"], ["systemctl", "enable", "--now", UNIT]]


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        fix = (
            "sudo " + " ".join([str(_command()), *sys.argv[1:]]) if os.geteuid() else "is this a machine with systemd?"
        )
        raise UserError(f"cannot be written: {error.strerror}", file=str(path), fix=fix) from error


def _carry_out(step: list[str]) -> None:
    program = shutil.which(step[0])
    if program is None:
        raise UserError(f"there is no {step[0]}", field="--install", fix="this machine starts services another way")
    done = subprocess.run([program, *step[1:]], capture_output=True, text=True, check=False)
    if done.returncode:
        fix = "journalctl -u aid4-edge says more"
        raise UserError(f"{' '.join(step)}: {done.stderr.strip()[:300]}", field="--install", fix=fix)
