"""Sign-in with an OpenID provider, a process of its own on loopback."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from twin.access.settings import read_settings_file
from twin.siteconfig import site_from_dict
from wire.errors import ConfigError

EVA = {"sub": "u-17", "preferred_username": "Eva Nová", "name": "Eva Nová", "groups": ["staff", "park-operators"]}
SETTINGS = """
[[oidc]]
id = "lab"
title = "Laboratory account"
issuer = "{issuer}"
client_id = "aid4-lab"
client_secret_file = "oidc-secret"
[[oidc.grant]]
value = "park-operators"
role = "operator"
[[oidc.grant]]
value = "park-admins"
role = "admin"
"""


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, str(Path(__file__).with_name("provider.py")), str(port)]
    process = subprocess.Popen(command)
    url = f"http://127.0.0.1:{port}"
    for _ in range(600):
        try:
            httpx.get(f"{url}/jwks", timeout=5, trust_env=False)
            break
        except httpx.HTTPError:
            time.sleep(0.1)
    yield url
    process.terminate()
    process.wait(30)


@pytest.fixture
async def park(start: Any, tmp_path: Path, issuer: str, password: str) -> Any:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "access.toml").write_text(SETTINGS.format(issuer=issuer))
    (folder / "oidc-secret").write_text("the secret of the client\n")
    site = site_from_dict({"name": "lab", "folder": str(folder)}, file="test")
    park = await start(site=site)
    await park.post("/users", {"name": "anna", "grants": [{"role": "admin"}], "password": password})
    async with httpx.AsyncClient(trust_env=False) as provider:
        await provider.post(f"{issuer}/twist", json={"kind": ""})
        await provider.post(f"{issuer}/as", json=EVA)
    return park


async def go(park: Any, browser: httpx.AsyncClient, then: str = "/alarms") -> httpx.Response:
    """Through the provider's door and back, as a browser goes; the answer that sends to the page."""
    begun = await browser.get(f"{park.url}/api/v1/session/oidc/lab/start", params={"then": then})
    assert begun.status_code == 303, begun.text
    granted = await browser.get(begun.headers["location"])
    assert granted.status_code == 303, granted.text
    return await browser.get(granted.headers["location"])


async def test_who_the_provider_vouches_for_has_the_roles_of_its_groups(park: Any) -> None:
    async with httpx.AsyncClient(trust_env=False) as browser:
        back = await go(park, browser)
        assert back.headers["location"] == "/alarms"
        assert "samesite=strict" in back.headers["set-cookie"].lower()
        seen = (await browser.get(f"{park.url}/api/v1/session")).json()
    assert seen["name"] == "eva-nov"
    assert seen["full_name"] == "Eva Nová"
    assert "operate" in seen["rights"]
    assert "administer" not in seen["rights"]


async def test_roles_follow_the_provider_and_who_lost_them_is_refused(park: Any, issuer: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as browser:
        await go(park, browser)
        await browser.post(f"{issuer}/as", json=EVA | {"groups": ["park-admins"]})
        await go(park, browser)
        seen = (await browser.get(f"{park.url}/api/v1/session")).json()
        assert seen["name"] == "eva-nov"
        assert "administer" in seen["rights"]
        await browser.post(f"{issuer}/as", json=EVA | {"groups": ["staff"]})
        back = await go(park, browser)
        assert back.headers["location"] == "/sign-in?failed=provider"


async def test_a_provider_cannot_take_over_a_local_account(park: Any, issuer: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as browser:
        await browser.post(f"{issuer}/as", json=EVA | {"sub": "u-18", "preferred_username": "anna"})
        await go(park, browser)
        seen = (await browser.get(f"{park.url}/api/v1/session")).json()
    assert seen["name"] == "anna-2"
    assert "administer" not in seen["rights"]


@pytest.mark.parametrize("kind", ["nonce", "aud", "aud-many", "iss", "exp", "key", "none"])
async def test_an_id_token_that_does_not_hold_signs_nobody_in(park: Any, issuer: str, kind: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as browser:
        await browser.post(f"{issuer}/twist", json={"kind": kind})
        back = await go(park, browser)
        assert back.headers["location"] == "/sign-in?failed=provider"
        assert not (await browser.get(f"{park.url}/api/v1/session")).json()["signed_in"]


async def test_the_answer_of_one_browser_signs_no_other_in(park: Any) -> None:
    """Neither a code that somebody slips in, nor a second use."""
    async with httpx.AsyncClient(trust_env=False) as attacker, httpx.AsyncClient(trust_env=False) as victim:
        begun = await attacker.get(f"{park.url}/api/v1/session/oidc/lab/start")
        granted = await attacker.get(begun.headers["location"])
        slipped = await victim.get(granted.headers["location"])
        assert slipped.headers["location"] == "/sign-in?failed=provider"
        again = await attacker.get(granted.headers["location"])
        assert again.headers["location"] == "/sign-in?failed=provider", "a flow is used once"


async def test_a_person_who_refuses_at_the_provider_comes_back_unsigned(park: Any, issuer: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as browser:
        await browser.post(f"{issuer}/as", json={})
        assert (await go(park, browser)).headers["location"] == "/sign-in?failed=provider"


@pytest.mark.parametrize("then", ["//evil.example", "https://evil.example", "/\\evil.example", "x"])
async def test_sign_in_leads_nowhere_but_to_the_page(park: Any, then: str) -> None:
    answer = await park.client.get("/api/v1/session/oidc/lab/start", params={"then": then})
    assert (answer.status_code, answer.json()["field"]) == (400, "then")


async def test_a_provider_that_no_file_names_is_not_found(park: Any) -> None:
    assert (await park.client.get("/api/v1/session/oidc/other/start")).status_code == 404


async def test_an_account_that_an_admin_disabled_stays_out(park: Any) -> None:
    async with httpx.AsyncClient(trust_env=False) as browser:
        await go(park, browser)
        park.twin.people.change("eva-nov", by="anna", disabled=True)
        assert not (await browser.get(f"{park.url}/api/v1/session")).json()["signed_in"]
        assert (await go(park, browser)).headers["location"] == "/sign-in?failed=provider"


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ('[[oidc]]\nid = "a"\nissuer = "http://id.example"\nclient_id = "x"\n', "oidc.issuer"),
        ('[[oidc]]\nid = "a"\nissuer = "https://id.example"\nclient_id = "x"\nscopes = ["email"]\n', "oidc.scopes"),
        ("[session]\nidle_min = 0\n", ""),
        ("[session\n", ""),
        ("[sessions]\n", ""),
    ],
)
def test_settings_that_would_open_a_door_are_refused(tmp_path: Path, text: str, field: str) -> None:
    (tmp_path / "access.toml").write_text(text)
    with pytest.raises(ConfigError) as refused:
        read_settings_file(tmp_path)
    assert refused.value.field == field
    assert "access.toml" in refused.value.file
