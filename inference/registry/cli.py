"""`aid4 model keys`, `pack`, `publish`, `rollback`, `status`: from a trained folder to every gateway, and back."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from wire.errors import InputError

__all__ = ["COMMANDS"]

_FILE = click.Path(dir_okay=False, path_type=Path)
_URL = click.option("--url", default="http://127.0.0.1:8480", show_default=True, help="A running twin.")
_TOKEN = click.option("--token-file", type=_FILE, help="A token of that twin, in a file.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@click.command()
@click.option("--out", type=click.Path(path_type=Path), required=True, help="A new folder for the keys.")
@click.option("--root-keys", type=click.IntRange(1, 9), default=2, show_default=True, help="All sign the next root.")
@_URL
@_TOKEN
@_JSON
def keys(out: Path, root_keys: int, url: str, token_file: Path | None, as_json: bool) -> None:
    """Make the offline keys and root.json, and have the twin trust them. Once for a site.

    Keep `root-*.pem` away from any network, `targets.pem` with who trains models, and bring `root.json` to every
    gateway (`models.root_file` of its edge.toml).
    """
    from inference.registry.keys import make_key
    from inference.registry.repository import empty_targets, new_root
    from inference.twin_api import TwinApi

    api = TwinApi(url, token_file)
    trust = api.get("/models/trust")
    if trust["root"] is not None:
        fix = "keep using the keys that were made then; see docs/inference.md for a new root"
        raise InputError("this twin has a root of trust already", field="--url", fix=fix)
    out.mkdir(mode=0o700, parents=True, exist_ok=True)
    roots = [make_key(out / f"root-{number}.pem") for number in range(1, root_keys + 1)]
    targets = make_key(out / "targets.pem")
    root = new_root(roots, targets, trust["online_pem"])
    api.post("/models/trust", {"root": root.decode(), "targets": empty_targets(targets).decode()})
    (out / "root.json").write_bytes(root)
    made = sorted(path.name for path in out.iterdir())
    click.echo(json.dumps({"folder": str(out), "files": made}) if as_json else f"{', '.join(made)} in {out}")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--id", "model", required=True, help="Name of the model: a-z, 0-9, _ and -.")
@click.option("--version", required=True, help="As 1.2; a published one never changes.")
@click.option("--key", type=_FILE, required=True, help="targets.pem of `aid4 model keys`.")
@click.option("--out", type=_FILE, required=True, help="The bundle, best named *.aid4model.")
@_JSON
def pack(folder: Path, model: str, version: str, key: Path, out: Path, as_json: bool) -> None:
    """Sign what `aid4 model train` wrote into FOLDER as one bundle: manifest, ONNX, calibration, metrics."""
    from inference.registry.keys import load_key
    from inference.registry.package import pack as sign
    from inference.registry.package import read_package

    signer = load_key(key)
    data = sign(folder, model=model, version=version, key=signer)
    read = read_package(data, [signer.public_key()], str(out))
    out.write_bytes(data)
    told = {
        "file": str(out), "id": model, "version": version, "sha256": read.sha256, "bytes": len(data),
        "parts": len(read.files), "data_sha256": read.header.data_sha256,
    }  # fmt: skip
    _tell(told, as_json, f"{out}: {len(read.files)} models, {len(data):,} bytes, sha256 {read.sha256[:16]}")


@click.command()
@click.argument("bundle", type=_FILE)
@click.option("--key", type=_FILE, required=True, help="targets.pem of `aid4 model keys`.")
@click.option(
    "--node", "nodes", multiple=True, metavar="NAME", help="Only this node; may be repeated. `twin`: its own."
)
@click.option(
    "--stage", type=click.Choice(["shadow", "canary", "live"]), default="shadow", show_default=True, help="Begin there."
)
@click.option("--rule", multiple=True, metavar="NAME=VALUE", help="Of the promotion rule, as shadow_s=3600.")
@click.option("--note", default="", help="Why; stands in the audit.")
@_URL
@_TOKEN
@_JSON
def publish(
    bundle: Path,
    key: Path,
    nodes: tuple[str, ...],
    stage: str,
    rule: tuple[str, ...],
    note: str,
    url: str,
    token_file: Path | None,
    as_json: bool,
) -> None:
    """Publish BUNDLE and roll it out: shadow, then canary, then live, as far as the rule lets it."""
    from inference.registry.keys import load_key
    from inference.registry.repository import with_target
    from inference.twin_api import TwinApi

    api, signer = TwinApi(url, token_file), load_key(key)
    try:
        data = bundle.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=str(bundle), fix="aid4 model pack") from error
    trust = api.get("/models/trust")
    if trust["targets"] is None:
        raise InputError("this twin has no root of trust", field="--url", fix="aid4 model keys --url URL --out DIR")
    targets, package = with_target(trust["targets"].encode(), data, signer)
    with click.progressbar(length=1, label="publishing", file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:
        api.put("/models/bundles", data)
        bar.update(1)
    body = {"bundle": package.sha256, "targets": targets.decode(), "nodes": list(nodes), "stage": stage, "note": note}
    change = api.post("/models", body | {"rule": _rule(rule)})
    told = {"id": package.header.id, "version": package.header.version, "stage": stage, "change": change["id"]}
    _tell(told, as_json, f"{told['id']} {told['version']} is rolled out as {stage} (change {change['id']})")


@click.command()
@click.argument("model")
@click.option("--why", default="", help="Stands in the audit.")
@_URL
@_TOKEN
@_JSON
def rollback(model: str, why: str, url: str, token_file: Path | None, as_json: bool) -> None:
    """Take MODEL back to the version that was live before, or off where there was none."""
    from inference.twin_api import TwinApi

    change = TwinApi(url, token_file).post(f"/models/{_plain(model)}/rollback", {"why": why})
    _tell({"id": model, "change": change["id"], "diff": change["diff"]}, as_json, _diff_line(model, change))


@click.command()
@click.argument("model")
@click.option("--why", default="", help="Stands in the audit.")
@_URL
@_TOKEN
@_JSON
def promote(model: str, why: str, url: str, token_file: Path | None, as_json: bool) -> None:
    """Move MODEL to its next stage, whatever its rule says."""
    from inference.twin_api import TwinApi

    change = TwinApi(url, token_file).post(f"/models/{_plain(model)}/promote", {"why": why})
    _tell({"id": model, "change": change["id"], "diff": change["diff"]}, as_json, _diff_line(model, change))


@click.command()
@_URL
@_TOKEN
@_JSON
def status(url: str, token_file: Path | None, as_json: bool) -> None:
    """Published models, their stage, and what every node tells of them."""
    from inference.twin_api import TwinApi

    found = TwinApi(url, token_file).get("/models")
    if as_json:
        click.echo(json.dumps(found))
        return
    for model in found["items"]:
        one = model["rollout"]
        click.echo(f"{model['id']}: {_stage_line(one) if one else 'not rolled out'}")
        for node in model["nodes"]:
            why = f", {node['problem']}" if node["problem"] else ""
            click.echo(f"  {node['node']}: {node['mode'] or '-'} {node['state']}, {node['rows']} rows{why}")
    if not found["items"]:
        click.echo("no model is published")


def _stage_line(one: dict[str, Any]) -> str:
    verdict = one["verdict"]["why"] if one["verdict"] else "not judged yet"
    return f"{one['version']} {one['stage']} since {one['since']}; {verdict}"


def _diff_line(model: str, change: dict[str, Any]) -> str:
    row = change["diff"][0] if change["diff"] else {"old": "nothing", "new": "nothing"}
    return f"{model}: {row['old'] or 'nothing'} -> {row['new'] or 'nothing'} (change {change['id']})"


def _rule(given: tuple[str, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        try:
            found[name] = json.loads(value)
        except ValueError as error:
            raise InputError(f"{text!r} is no NAME=VALUE", field="--rule", fix="as --rule shadow_s=3600") from error
        if not equals:
            raise InputError(f"{text!r} is no NAME=VALUE", field="--rule", fix="as --rule shadow_s=3600")
    return found


def _plain(model: str) -> str:
    if not model or not all(c.isascii() and (c.isalnum() or c in "_-") for c in model):
        raise InputError(f"{model!r} is no name of a model", field="MODEL", fix="aid4 model status")
    return model


def _tell(told: dict[str, Any], as_json: bool, text: str) -> None:
    click.echo(json.dumps(told) if as_json else text)


COMMANDS = [keys, pack, publish, promote, rollback, status]
