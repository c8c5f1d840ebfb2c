"""`aid4 edge bundle`: an installation without internet in one file, and whether one arrived whole."""

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wire.errors import UserError
from wire.names import check_name

if TYPE_CHECKING:
    from edge.bundle import Bundle

__all__ = ["bundle"]

ARCHS = ("aarch64", "x86_64")
PYTHONS = ("3.11", "3.12", "3.13")


@click.command()
@click.option("--arch", type=click.Choice(ARCHS), help="Of the gateway: aarch64 for a Raspberry Pi or a Jetson.")
@click.option("--python", type=click.Choice(PYTHONS), default="3.11", show_default=True, help="On the gateway.")
@click.option("--extras", default="edge,bacnet", show_default=True, help="Parts of AID4, between commas.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Default: aid4-ARCH-pyVERSION.tar.gz.")
@click.option(
    "--wheel", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="AID4's, if made elsewhere."
)
@click.option("--constraints", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Other versions.")
@click.option("--dry-run", is_flag=True, help="Only say which wheels it would hold.")
@click.option("--check", "checked", type=click.Path(path_type=Path), help="Verify the sums of a bundle instead.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def bundle(
    arch: str | None,
    python: str,
    extras: str,
    out: Path | None,
    wheel: Path | None,
    constraints: Path | None,
    dry_run: bool,
    checked: Path | None,
    as_json: bool,
) -> None:
    """Pack AID4 and all it needs for a gateway without internet; or --check FILE."""
    if checked is not None:
        raise SystemExit(_check(checked, as_json))
    if arch is None:
        raise UserError("no gateway is named", field="--arch", fix=f"give one of {', '.join(ARCHS)}")
    from edge.bundle import make, resolve
    from edge.bundle_wheel import constraints_here, own_wheel

    parts = tuple(check_name("extra", part.strip()) for part in extras.split(",") if part.strip())
    out = out or Path(f"aid4-{arch}-py{python}.tar.gz")
    with tempfile.TemporaryDirectory(prefix="aid4-wheel-") as name:
        folder = Path(name)
        bound = constraints or constraints_here(folder)
        wheel = wheel or own_wheel(folder)
        if dry_run:
            _show(resolve(arch, python, parts, wheel, bound), None, as_json)
        else:
            _show(make(arch, python, parts, wheel, bound, out), out, as_json)


def _check(file: Path, as_json: bool) -> int:
    from edge.bundle import check

    wrong = check(file)
    if as_json:
        click.echo(json.dumps({"file": str(file), "ok": not wrong, "problems": wrong}))
    else:
        for sentence in wrong or ["whole"]:
            click.echo(f"{file}: {sentence}")
    return 1 if wrong else 0


def _show(bundle: "Bundle", out: Path | None, as_json: bool) -> None:
    import msgspec

    if as_json:
        click.echo(json.dumps({"file": str(out or ""), **msgspec.to_builtins(bundle)}))
        return
    for wheel in bundle.wheels:
        size = f"{wheel.bytes / 1e6:8.2f} MB  " if wheel.bytes else ""
        click.echo(f"{size}{wheel.file}")
    if out is None:
        click.echo(f"{len(bundle.wheels)} wheels for {bundle.arch}, Python {bundle.python}; nothing was packed")
        return
    click.echo(f"wrote {out}: {len(bundle.wheels)} wheels, {bundle.bytes / 1e6:.1f} MB, sha256 {bundle.sha256}")
    click.echo("next: copy it to the gateway, `tar xf` it there, `sh install.sh`")
