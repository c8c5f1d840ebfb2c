"""What the commands of `aid4 drone` share: options, and a bar on a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import click

from bim.tiles.progress import Step

__all__ = ["AS_JSON", "AT", "IFC", "LINKS", "SCHEDULE", "SITE", "TILES", "bar", "tile_bar"]

_FILE = click.Path(path_type=Path, dir_okay=False)
_FOLDER = click.Path(path_type=Path, file_okay=False)
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
IFC = click.option("--ifc", type=_FILE, required=True, help="The model.")
LINKS = click.option("--links", type=_FILE, help="CSV of GlobalId and task_id (and dates, without --schedule).")
SCHEDULE = click.option("--schedule", type=_FILE, help="The plan; else that of the links or the model.")
AT = click.option("--at", help="Moment on the site's clock; a date alone is the close of that day. Default: now.")
SITE = click.option("--site", type=_FOLDER, help="Folder with a site.toml, for what the model does not say.")
TILES = click.option("--tiles", type=_FOLDER, help="Folder that keeps the meshes of models, so they are made once.")


@contextmanager
def bar(label: str, length: int) -> Iterator[Callable[[int], None]]:
    """A progress bar on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty() or not length:
        yield lambda _: None
        return
    shown: Any
    with click.progressbar(length=length, label=label, file=sys.stderr) as shown:
        yield shown.update


@contextmanager
def tile_bar(label: str) -> Iterator[Callable[[Step], None]]:
    """The same for meshes that are being made: it comes with the first step and goes with the last, so that another bar
    may follow inside."""
    with ExitStack() as stack:
        shown: list[Callable[[int], None]] = []
        done = 0

        def tell(step: Step) -> None:
            nonlocal done
            now = round(1_000 * step.share)
            if not shown and now < 1_000:
                shown.append(stack.enter_context(bar(label, 1_000)))
            if shown:
                shown[0](max(now - done, 0))
                done = max(now, done)
            if now >= 1_000:
                stack.close()
                shown.clear()

        yield tell
