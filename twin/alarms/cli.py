"""`aid4 twin deadman`: tell people when the twin itself is gone."""

from pathlib import Path

import click

from wire.errors import ConfigError

__all__ = ["deadman"]

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.option("--url", default="http://127.0.0.1:8480", show_default=True, help="The twin to watch.")
@click.option("--site", type=_FOLDER, required=True, help="Its folder with alarms.toml.")
@click.option("--route", "names", multiple=True, help="Only these routes; default: all that hear of critical alarms.")
@click.option("--after", "after_s", default=60.0, show_default=True, help="Seconds without an answer.")
@click.option("--every", "every_s", default=10.0, show_default=True, help="Seconds between two questions.")
def deadman(url: str, site: Path, names: tuple[str, ...], after_s: float, every_s: float) -> None:
    """Ask the twin for life, and send a message through its own routes when it does not answer; best on another
    machine."""
    from twin.alarms.deadman import DeadMan
    from twin.alarms.rules import read_rules
    from twin.siteconfig import load_site

    config, file = load_site(site), site / "alarms.toml"
    routes = [route for route in read_rules(file).routes if "critical" in route.priorities]
    if names:
        routes = [route for route in routes if route.name in names]
    if not routes:
        fix = "add a [[route]] whose priorities hold critical"
        raise ConfigError("there is nobody to tell", file=str(file), field="route", fix=fix)
    title = config.title or config.name
    click.echo(f"watching {url} for {title}; after {after_s:g} s: {', '.join(route.name for route in routes)}")
    DeadMan(url, title, routes, after_s, lambda line: click.echo(line, err=True)).watch(every_s)
