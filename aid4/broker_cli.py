"""`aid4 broker run`: the site's broker for a twin that runs without `aid4 run`."""

import asyncio
from pathlib import Path
from typing import Literal

import click

from aid4.broker_trust import TrustedBroker
from aid4.configs_path import site_path
from aid4.park_config import site_name
from aid4.park_outside import Listen
from wire.stopping import stop_on_signals

__all__ = ["broker"]

_PORT = click.IntRange(1, 65_535)


@click.group()
def broker() -> None:
    """The site's broker: gateways come in by certificate."""


@broker.command()
@click.option("--twin-data", type=click.Path(path_type=Path, file_okay=False), required=True, help="The twin's data.")
@click.option("--site", required=True, help="The site's folder, or the name of one of ours, as the twin has it.")
@click.option("--listen", default="0.0.0.0", show_default=True, help="Address to listen on.")  # noqa: S104
@click.option("--port", type=_PORT, default=8883, show_default=True, help="MQTT over TLS.")
@click.option("--websocket-port", type=click.IntRange(0, 65_535), default=0, help="MQTT over WebSocket too, as on 443.")
@click.option("--name", "names", multiple=True, help="Name by which gateways find this machine; repeatable.")
@click.option("--kind", type=click.Choice(["nats", "mosquitto"]), default="nats", show_default=True)
def run(
    twin_data: Path, site: str, listen: str, port: int, websocket_port: int, names: tuple[str, ...], kind: str
) -> None:
    """Run the broker until Ctrl-C; whom the twin's folder `pki` names may come in, and nobody else.

    The twin goes with it: `aid4 twin serve --broker mqtts://127.0.0.1:8883 --site-ca --gateways 0.0.0.0
    --gateway-broker mqtts://{host}:8883`.
    """
    where = Listen(listen, port, 0, websocket_port, names)
    which: Literal["nats", "mosquitto"] = "mosquitto" if kind == "mosquitto" else "nats"
    name = site_name(site_path(site, None))
    made = TrustedBroker(
        twin_data / "broker", twin_data, name, host=where.host, port=port, websocket_port=websocket_port,
        names=names, kind=which,
    )  # fmt: skip
    with made.broker:
        click.echo(f"the broker of {name} takes certificates at {where.host}:{made.broker.port}")
        asyncio.run(_serve(made))


async def _serve(made: TrustedBroker) -> None:
    stop = asyncio.Event()
    stop_on_signals(stop)

    def warn(text: str) -> None:
        click.echo(f"warning   {text}", err=True)

    tasks = [asyncio.create_task(made.broker.keep(warn)), asyncio.create_task(made.follow(warn))]
    await stop.wait()
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
