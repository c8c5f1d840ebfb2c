"""The command `aid4`: a group whose sub-commands are imported only when they are called.

`aid4 edge run` must not load what only the twin needs, so a sub-command is a row of a table, not an import.
Exit codes: 0 done, 1 failed, 2 a person can mend it (usage, configuration, input).
"""

import importlib
import importlib.metadata
from dataclasses import dataclass

import click

from wire.errors import Aid4Error, UserError

__all__ = ["cli", "main"]


@dataclass(frozen=True, slots=True)
class _Row:
    """One sub-command: where it lives, the extra that installs what it needs, and its line in the help."""

    target: str
    extra: str
    line: str


_TABLE = {
    "run": _Row("aid4.run:run", "park", "bring a whole park up: broker, devices, agent, twin, page"),
    "broker": _Row("aid4.broker_cli:broker", "park", "the site's broker, for a twin that runs by itself"),
    "twin": _Row("twin.cli:twin", "twin", "serve, query, back up and restore the twin"),
    "fleet": _Row("twin.fleet.cli:fleet", "twin", "configure gateways from afar, and read their logs"),
    "edge": _Row("edge.cli:edge", "edge", "run, check and diagnose an agent on a gateway"),
    "bim": _Row("bim.cli:bim", "bim", "look into a building model and bind points to it"),
    "drone": _Row("drone_ingest.cli:drone", "drone", "read flights and scans, and judge what was built"),
    "model": _Row("inference.cli:model", "train", "train, score and evaluate anomaly detectors"),
    "sim": _Row("aid4.scenario:sim", "sim", "simulated devices that speak the real protocols"),
    "bench": _Row("aid4.bench:bench", "dev", "measure the park and prove what it promises"),
}
_NAME = "aid4.cli.name"  # in the context: the sub-command that was called
_ROOMS = frozenset({"aid4", "wire", "edge", "twin", "bim", "drone_ingest", "inference", "sim_devices"})


class _Shown(click.ClickException):
    """An error of ours on its way to the terminal."""

    def __init__(self, error: Aid4Error) -> None:
        super().__init__(str(error))
        self.error = error

    def show(self, file: object = None) -> None:
        click.echo(f"aid4: {self.error}", err=True)


class _Mendable(_Shown):
    """One that a person can mend: where, what, and how."""

    exit_code = 2
    error: UserError

    def show(self, file: object = None) -> None:
        problem = self.error.as_problem()
        where = [str(problem[part]) for part in ("file", "field") if problem.get(part)]
        click.echo(": ".join([*where, str(problem["problem"])]), err=True)
        if problem.get("fix"):
            click.echo(f"fix: {problem['fix']}", err=True)


class LazyGroup(click.Group):
    """A click group over a table of `module:attribute` rows; `--help` imports none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_TABLE)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        row = _TABLE.get(cmd_name)
        return None if row is None else _load(cmd_name, row)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args:
            ctx.meta[_NAME] = args[0]
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, row.line) for name, row in _TABLE.items()])

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except Aid4Error as error:
            raise (_Mendable if isinstance(error, UserError) else _Shown)(error) from error
        except ModuleNotFoundError as missing:
            if _is_ours(missing):
                raise
            raise _Mendable(_not_installed(ctx.meta[_NAME], missing)) from missing


def _load(name: str, row: _Row) -> click.Command:
    """Import one sub-command; raises UserError naming the extra when a library is not installed."""
    module, _, attribute = row.target.partition(":")
    try:
        command = getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as missing:
        if _is_ours(missing):
            raise
        raise _not_installed(name, missing) from missing
    if not isinstance(command, click.Command):
        raise TypeError(f"{row.target} is not a click command")
    return command


def _is_ours(missing: ModuleNotFoundError) -> bool:
    return (missing.name or "").partition(".")[0] in _ROOMS


def _not_installed(name: str, missing: ModuleNotFoundError) -> UserError:
    package = (missing.name or "").partition(".")[0]
    problem = f"`aid4 {name}` needs the package {package}, which is not installed"
    return UserError(problem, fix=f'pip install "aid4[{_TABLE[name].extra}]"')


def _version() -> str:
    try:
        return importlib.metadata.version("aid4")
    except importlib.metadata.PackageNotFoundError:
        return "0 (not installed)"


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(_version(), prog_name="aid4")
def cli() -> None:
    """AID4: one command brings a live park up; its twin knows where every reading belongs."""


def main() -> None:
    """Entry point of the installed command."""
    cli(prog_name="aid4")
