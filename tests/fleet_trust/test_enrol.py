"""The gateway's side: enrolment over HTTPS with a pinned authority, what is written, renewal, and what doctor says."""

import asyncio
import json
import socket
import ssl
import subprocess
import sys
import tomllib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from aid4.cli import cli
from edge.config import load
from edge.doctor_trust import certificate
from edge.enrol import NextKey, enrol, renew
from edge.renewal import Renewal
from edge.toml_edit import set_values
from edge.trust_files import read_held
from edge.trust_http import RefusedError, TwinDoor
from twin.door import Door
from twin.server import TwinConfig, serve
from twin.siteconfig import SiteConfig
from twin.trust import TrustDesk
from wire.clock import ManualClock
from wire.errors import ConfigError, InputError, LinkError
from wire.limits import CLOCK_TRUSTED_FROM_US
from wire.mqtt import config as mqtt_config
from wire.trust import EnrolRequest, make_token

sys.path.insert(0, str(Path(__file__).parent))
from test_broker import ConnectProxy

ROOT = Path(__file__).resolve().parents[2]
CONFIG = """\
# the gateway of hall 3
site = "campus"      # as printed on the door
node = "gw-1"

[broker]
# where we went before
url = "mqtt://10.0.0.5:1883"   # the old one
user = "gw-1"
password_file = "broker.password"
keepalive_s = 20.0

[spool]
dir = "spool"
"""


@dataclass
class Open:
    """A twin with its door open."""

    twin: Any
    url: str
    folder: Path

    def token(self, node: str = "gw-1") -> str:
        return str(self.twin.trust.invite(node, "eva").token)

    def config(self, text: str = CONFIG) -> Path:
        path = self.folder / "gw" / "edge.toml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Open]:
    brokers = ("mqtts://{host}:8883", "wss://{host}:443/mqtt")
    config = TwinConfig(
        tmp_path / "twin", SiteConfig(name="lab"), port=0, door=Door("127.0.0.1", 0, ("localhost",), brokers)
    )
    async with serve(config) as served:
        yield Open(served.twin, served.twin.trust.door, tmp_path)


async def enrolled(door: Open, **more: Any) -> Path:
    path = door.config()
    await asyncio.to_thread(enrol, path, door.url, door.token(), **more)
    return path


async def test_a_gateway_enrols_and_its_configuration_keeps_what_people_wrote(door: Open) -> None:
    path = door.config()
    done = await asyncio.to_thread(enrol, path, door.url, door.token())
    text = path.read_text()
    assert tomllib.loads(text) == {
        "site": "lab",
        "node": "gw-1",
        "broker": {
            "url": "mqtts://localhost:8883", "keepalive_s": 20.0, "ca_file": "trust/ca.pem",
            "cert_file": "trust/gateway.pem", "renew_url": door.url,
        },
        "spool": {"dir": "spool"},
    }  # fmt: skip
    for kept in ("# the gateway of hall 3", "# as printed on the door", "# where we went before", "   # the old one"):
        assert kept in text
    assert path.with_name("edge.toml.bak").read_text() == CONFIG
    pair = path.parent / "trust" / "gateway.pem"
    assert pair.stat().st_mode & 0o077 == 0
    context = ssl.create_default_context(cafile=path.parent / "trust" / "ca.pem")
    context.load_cert_chain(pair)  # key and certificate belong together
    assert abs(done.clock_off_s) < 60
    assert door.twin.trust.views()["gw-1"].serial == done.held.serial
    key = pair.read_text().partition("-----BEGIN PRIVATE KEY-----")[2].partition("-----END")[0].strip()
    for written in door.twin.trust.folder.iterdir():
        assert key not in written.read_text()


async def test_what_the_twin_refuses_changes_nothing_on_the_gateway(door: Open) -> None:
    path = door.config()
    used = door.token()
    await asyncio.to_thread(enrol, door.config(), door.url, used)
    path.write_text(CONFIG)
    for token, why in ((used, "was used"), (door.token("gw-2"), "for gw-2, not for gw-1")):
        before = {one: one.read_bytes() for one in path.parent.rglob("*") if one.is_file()}
        with pytest.raises(RefusedError, match=why):
            await asyncio.to_thread(enrol, path, door.url, token)
        assert {one: one.read_bytes() for one in path.parent.rglob("*") if one.is_file()} == before


async def test_a_twin_that_is_not_the_one_of_the_token_gets_to_see_no_token(door: Open) -> None:
    stranger = make_token(bytes(32), bytes(24))
    with pytest.raises(RefusedError, match="not the one that made this token"):
        await asyncio.to_thread(enrol, door.config(), door.url, stranger)
    assert not (door.folder / "gw" / "trust").exists()


async def test_the_token_goes_only_to_who_the_authority_vouches_for(door: Open, tmp_path: Path) -> None:
    """Somebody between who passes the real authority on, but has a certificate of another."""
    from wire.clock import SystemClock

    other = TrustDesk(tmp_path / "other", "lab", SystemClock(), lambda *_: None).authority
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(other.server_file("door", ["localhost"]))
    pem, seen = door.twin.trust.authority.pem, list[bytes]()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.read(4_096))
        writer.write(f"HTTP/1.1 200 OK\r\ncontent-length: {len(pem)}\r\n\r\n{pem}".encode())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(LinkError, match="CERTIFICATE_VERIFY_FAILED"):
            await asyncio.to_thread(enrol, door.config(), f"https://localhost:{port}", door.token())
    assert [one.split(b" ")[:2] for one in seen] == [[b"GET", b"/api/v1/ca"]]


def test_a_token_never_goes_in_the_clear() -> None:
    with pytest.raises(InputError, match="in the clear"):
        TwinDoor("http://10.0.0.1:8481")
    TwinDoor("http://127.0.0.1:8480")


@pytest.mark.parametrize("token", ["", "aid4e1_", "aid4e1_" + "!" * 75, "x" * 200, "aid4e1_" + "ä" * 75])
def test_what_is_no_token_is_told_before_anything_is_asked(tmp_path: Path, token: str) -> None:
    path = tmp_path / "edge.toml"
    path.write_text('site = "s"\nnode = "gw-1"\n')
    with pytest.raises(InputError, match="no token"):
        enrol(path, "https://127.0.0.1:1", token)


async def test_the_door_has_three_routes_and_takes_small_bodies_only(door: Open) -> None:
    import httpx

    context = ssl.create_default_context(cadata=door.twin.trust.authority.pem)
    async with httpx.AsyncClient(base_url=door.url, verify=context) as client:
        assert (await client.get("/api/v1/ca")).status_code == 200
        for path in ("/api/v1/site", "/api/v1/nodes", "/api/v1/enrolments", "/metrics", "/", "/api/v1/../v1/users"):
            assert (await client.get(path)).status_code in {404, 405}
        big = await client.post("/api/v1/enrol", content=b"x" * 40_000, headers={"content-type": "application/json"})
        assert (big.status_code, big.json()["field"]) == (413, "body")

        async def endless() -> AsyncIterator[bytes]:
            for _ in range(64):
                yield b"x" * 1_024

        big = await client.post("/api/v1/enrol", content=endless(), headers={"content-type": "application/json"})
        assert big.status_code == 413


async def test_a_gateway_renews_with_its_key_while_the_link_needs_no_restart(door: Open) -> None:
    path = await enrolled(door)
    config = load(path)
    before, first = (path.parent / "trust" / "gateway.pem").read_bytes(), read_held(path.parent / "trust/gateway.pem")
    held = await asyncio.to_thread(renew, config)
    after = (path.parent / "trust" / "gateway.pem").read_bytes()
    assert first is not None
    assert held.serial != first.serial
    assert before.partition(b"BEGIN PRIVATE")[2][:200] != after.partition(b"BEGIN PRIVATE")[2][:200]  # a new key too
    [lineage] = door.twin.trust.register.read().lineages
    assert (lineage.serial, lineage.previous) == (held.serial, first.serial)
    door.twin.trust.revoke("gw-1", "eva", "")
    with pytest.raises(RefusedError, match="revoked"):
        await asyncio.to_thread(renew, config)


async def test_a_lost_answer_costs_nothing(door: Open) -> None:
    config, key = load(await enrolled(door)), NextKey("gw-1")
    one = await asyncio.to_thread(renew, config, key)
    pair = config.path(config.broker.cert_file)
    text = pair.read_text()
    two = await asyncio.to_thread(renew, config, key)  # the gateway had written it, and asks again with the same key
    assert one.serial == two.serial
    assert pair.read_text() == text


async def test_renewal_is_due_at_half_life_and_when_the_broker_says_it_ended(door: Open) -> None:
    config = load(await enrolled(door))
    held = read_held(config.path(config.broker.cert_file))
    assert held is not None
    clock, said = ManualClock(held.renew_us - 1), [""]
    task = Renewal(config, clock, lambda: said[0])
    assert not task.due(held)
    clock.advance(1.0)
    assert task.due(held)
    never_set = ManualClock(CLOCK_TRUSTED_FROM_US - 400 * 86_400_000_000)
    task = Renewal(config, never_set, lambda: said[0])
    assert not task.due(held)
    said[0] = "connection lost: [SSL: TLSV1_ALERT_CERTIFICATE_EXPIRED]"
    assert task.due(held)
    said[0] = ""
    never_set.advance((held.renew_us - held.not_before_us) / 1e6)
    assert task.due(held)


async def test_a_running_renewal_takes_the_next_certificate_and_says_what_it_is_refused(
    door: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.renewal.LOOK_S", 0.05)
    config = load(await enrolled(door))
    first = read_held(config.path(config.broker.cert_file))
    assert first is not None
    clock = ManualClock(first.renew_us + 1)
    task = Renewal(config, clock, lambda: "")
    running = asyncio.create_task(task.run())
    async with asyncio.timeout(60):
        while not task.renewed:
            await asyncio.sleep(0.05)
        door.twin.trust.revoke("gw-1", "eva", "")
        clock.advance(8 * 86_400.0)
        while "revoked" not in task.problem:
            await asyncio.sleep(0.05)
    running.cancel()
    assert "aid4 twin enrolment" in str(task.figures()["certificate_problem"])


async def test_a_gateway_without_a_clock_enrols_and_checks_signatures_all_the_same(
    door: Open, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(mqtt_config.time, "time_ns", lambda: 86_400 * 10**9)
    await enrolled(door)
    context = mqtt_config.TlsConfig(ca=door.folder / "gw" / "trust" / "ca.pem").context()
    assert context.verify_flags & mqtt_config.NO_CHECK_TIME
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname
    assert not mqtt_config.TlsConfig().context().verify_flags & mqtt_config.NO_CHECK_TIME


async def test_doctor_tells_what_is_wrong_with_a_certificate(door: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    path = await enrolled(door)
    config = load(path)
    pair = config.path(config.broker.cert_file)
    held = read_held(pair)
    assert held is not None
    [finding] = certificate(config)
    assert finding.good
    seen = {}
    for name, now_us in (("late", (held.renew_us + held.not_after_us) // 2 + 1), ("ended", held.not_after_us + 1)):
        monkeypatch.setattr("edge.doctor_trust.time.time_ns", lambda now_us=now_us: now_us * 1_000)
        [seen[name]] = certificate(config)
    monkeypatch.undo()
    assert [finding.good for finding in seen.values()] == [False, False]
    assert "should have been renewed" in seen["late"].detail
    assert "it ended" in seen["ended"].detail
    assert "aid4 twin enrolment gw-1" in seen["ended"].fix
    pair.chmod(0o644)
    [finding] = certificate(config)
    assert (finding.good, finding.fix) == (False, f"chmod 600 {pair}")
    pair.chmod(0o600)
    [finding] = certificate(msgspec.structs.replace(config, node="gw-2"))
    assert "for lab/gw-1" in finding.detail
    pair.unlink()
    [finding] = certificate(config)
    assert "enrolment" in finding.fix


async def test_enrolment_goes_through_a_proxy_and_then_over_websocket(door: Open) -> None:
    proxy = ConnectProxy()
    path = await enrolled(door, proxy_url=f"http://127.0.0.1:{proxy.port}")
    broker = load(path).broker
    assert (broker.url, broker.transport) == ("wss://localhost:443/mqtt", "paho")
    assert (broker.host, broker.port, broker.websocket_path, broker.tls) == ("localhost", 443, "/mqtt", True)
    await asyncio.to_thread(renew, load(path))
    assert {line.split(" ")[1] for line in proxy.asked} == {door.url.removeprefix("https://")}
    proxy.close()


async def test_the_commands_say_what_they_did_as_one_document(door: Open, tmp_path: Path) -> None:
    path = tmp_path / "new.toml"
    source = 'kind = "replay", name = "r", device = "r", file = "r.csv"'
    made = await _typed("edge", "init", str(path), "--node", "gw-1", "--site", "lab", "--source", source)
    assert made.exit_code == 0, made.output
    assert tomllib.loads(path.read_text())["source"] == [
        {"kind": "replay", "name": "r", "device": "r", "file": "r.csv"}
    ]
    path.write_text(path.read_text().partition("[[source]]")[0])
    made = await _typed("edge", "enrol", str(path), "--twin", door.url, "--token", door.token(), "--json")
    assert made.exit_code == 0, made.output
    told = json.loads(made.stdout)
    assert (told["site"], told["node"], told["broker"]) == ("lab", "gw-1", "mqtts://localhost:8883")
    again = await _typed("edge", "renew", str(path), "--json")
    assert json.loads(again.stdout)["serial"] != told["serial"]
    refused = await _typed("edge", "enrol", str(path), "--twin", door.url, "--token", make_token(bytes(32), bytes(24)))
    assert refused.exit_code == 2
    assert "fix: " in refused.output


async def _typed(*arguments: str) -> Any:
    return await asyncio.to_thread(CliRunner().invoke, cli, list(arguments))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a = 1\n", 'a = 1\n\n[broker]\nurl = "u"\n'),
        ("[broker]\n\n[x]\n", '[broker]\nurl = "u"\n\n[x]\n'),
        ("[broker] # b\nuser = 'x # y' # who\nurl='o'#c\n", '[broker] # b\nurl = "u"\n'),
        (
            '[[broker_x]]\n[broker]\nurl = "o" # it\n[[s]]\nurl = "o"\n',
            '[[broker_x]]\n[broker]\nurl = "u" # it\n[[s]]\nurl = "o"\n',
        ),
    ],
)
def test_values_are_set_without_touching_the_rest(before: str, after: str) -> None:
    assert set_values(before, "broker", {"url": "u", "user": None}) == after


@pytest.mark.parametrize(
    "text", ['broker = { url = "o" }\n', 'broker.url = "o"\n', '[broker]\nurl = """\no"""\n', '["broker"]\nurl = "o"\n']
)
def test_a_file_that_cannot_be_changed_safely_is_left_alone(text: str) -> None:
    with pytest.raises(ConfigError, match="cannot be changed safely") as caught:
        set_values(text, "broker", {"url": "u"})
    assert 'url = "u"' in caught.value.fix


def test_broken_answers_of_a_twin_end_in_an_error_that_names_it(tmp_path: Path) -> None:
    import random
    import threading

    rng, listener = random.Random(7), socket.create_server(("127.0.0.1", 0))
    heads = [b"", b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 500 x\r\ncontent-length: 99\r\n\r\n{", b"\x00\xff" * 40]

    def serve_rubbish() -> None:
        for at in range(12):
            client, _ = listener.accept()
            client.recv(4_096)
            client.sendall(heads[at % 4] + rng.randbytes(rng.randint(0, 200)))
            client.close()

    thread = threading.Thread(target=serve_rubbish, daemon=True)
    thread.start()
    door = TwinDoor(f"http://127.0.0.1:{listener.getsockname()[1]}")
    for _ in range(6):
        with pytest.raises((RefusedError, LinkError)):
            door.authority(bytes(32))
        with pytest.raises((RefusedError, LinkError)):
            door.post("/api/v1/enrol", EnrolRequest("t", "c"), _any_pem(tmp_path))
    thread.join(10)
    listener.close()
    assert any(tmp_path.iterdir())


def _any_pem(folder: Path) -> str:
    from twin.pki import SiteAuthority

    return SiteAuthority(folder / "pki", "x").pem


def test_an_agent_loads_what_makes_keys_only_when_it_renews() -> None:
    code = "import sys, edge.agent; print([one for one in sys.modules if one.partition('.')[0] == 'cryptography'])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
