"""Sign-in with an OpenID provider: authorization code with PKCE (RFC 7636), ID token checked with joserfc.

Per OpenID Connect Core 1.0 §3.1: discovery, state bound to the browser by a cookie, nonce, signature by the
provider's keys with an asymmetric algorithm, iss, aud, azp, exp; the answer's `iss` (RFC 9207) where it is given.
"""

import asyncio
import base64
import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode, urlsplit

import msgspec

from twin.access.people import People
from twin.access.settings import AccessSettings, Provider
from wire.errors import Aid4Error, UserError

if TYPE_CHECKING:
    import httpx

__all__ = ["Flow", "Oidc", "SignInFailedError", "SignedIn"]

FLOW_S: Final = 600.0  # how long a person may take at the provider
_FLOWS_MAX: Final = 1_000
_TIMEOUT_S: Final = 10.0
_ANSWER_BYTES_MAX: Final = 1_000_000
_KEYS_S: Final = 300.0
_SKEW_S: Final = 60
_ALGORITHMS: Final = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]


class SignInFailedError(Aid4Error):
    """The provider did not vouch for the person, or not as it should."""

    def __init__(self, problem: str, fix: str = "try again; the audit says more") -> None:
        self.fix = fix
        super().__init__(problem)


class Flow(msgspec.Struct, frozen=True):
    """Where to send the browser, and the value of the cookie that binds the flow to it."""

    url: str
    binding: str


class SignedIn(msgspec.Struct, frozen=True):
    """The account, and where in the page to go on."""

    name: str
    then: str


class _Started(msgspec.Struct, frozen=True):
    provider: str
    verifier: str
    nonce: str
    binding: str
    redirect: str
    then: str
    until_s: float


class Oidc:
    """The flows that are under way, and what the providers say of themselves."""

    def __init__(
        self, settings: Callable[[], AccessSettings], people: People, folder: Callable[[], Path | None]
    ) -> None:
        self._settings, self._people, self._folder = settings, people, folder
        self._flows: OrderedDict[str, _Started] = OrderedDict()
        self._known: dict[str, tuple[float, Any]] = {}

    async def start(self, ident: str, base: str, then: str) -> Flow:
        """Begin a sign-in. SignInFailedError when there is no such provider or it does not answer."""
        provider = self._provider(ident)
        described = await self._described(provider)
        state, binding = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        verifier, nonce = secrets.token_urlsafe(48), secrets.token_urlsafe(24)
        redirect = f"{(provider.redirect or base).rstrip('/')}/api/v1/session/oidc/{provider.id}/callback"
        until_s = time.monotonic() + FLOW_S
        self._flows[state] = _Started(provider.id, verifier, nonce, binding, redirect, then, until_s)
        while len(self._flows) > _FLOWS_MAX:
            self._flows.popitem(last=False)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code", "client_id": provider.client_id, "redirect_uri": redirect,
            "scope": " ".join(provider.scopes), "state": state, "nonce": nonce,
            "code_challenge": challenge, "code_challenge_method": "S256",
        }  # fmt: skip
        door = described["authorization_endpoint"]
        return Flow(f"{door}{'&' if urlsplit(door).query else '?'}{urlencode(query)}", binding)

    async def finish(self, ident: str, *, state: str, code: str, error: str, issuer: str, binding: str) -> SignedIn:
        """Prove who came back; a flow is used once. SignInFailedError says what does not fit."""
        flow = self._flows.pop(state, None)
        if flow is None or flow.provider != ident or flow.until_s < time.monotonic():
            raise SignInFailedError("this sign-in was not begun here, or too long ago")
        if not hmac.compare_digest(flow.binding.encode(), binding.encode(errors="replace")):
            raise SignInFailedError("this sign-in was begun in another browser")
        if error or not code:
            raise SignInFailedError(f"the provider refused: {error or 'no code'}")
        provider = self._provider(ident)
        described = await self._described(provider)
        if issuer and issuer != described["issuer"]:
            raise SignInFailedError("the answer comes from another provider")
        claims = await self._claims(provider, described, flow, code)
        return SignedIn(await asyncio.to_thread(self._account, provider, claims), flow.then)

    def _account(self, provider: Provider, claims: dict[str, Any]) -> str:
        held = claims.get(provider.roles_claim, [])
        values = {str(one) for one in held} if isinstance(held, list) else {str(held)}
        grants = [one.grant for one in provider.grant if one.value in values]
        if not grants:
            raise SignInFailedError(f"{claims['sub']!r} has no role here", "ask an admin for a group that has one")
        wanted = str(claims.get("preferred_username") or claims.get("email") or claims["sub"])
        full_name = str(claims.get("name") or "")
        try:
            account = self._people.of_identity(provider.issuer, str(claims["sub"])[:255], wanted, full_name, grants)
        except UserError as error:
            raise SignInFailedError(error.problem, error.fix) from error
        if account.disabled:
            raise SignInFailedError(f"the account {account.name} is disabled", "ask an admin")
        return account.name

    async def _claims(self, provider: Provider, described: dict[str, Any], flow: _Started, code: str) -> dict[str, Any]:
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": flow.redirect,
            "client_id": provider.client_id, "code_verifier": flow.verifier,
        }  # fmt: skip
        login = (provider.client_id, self._secret(provider)) if provider.client_secret_file else None
        answer = await _ask("POST", described["token_endpoint"], data=form, auth=login)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise SignInFailedError("the provider sent no ID token")
        try:
            return await self._proven(provider, described, flow, token)
        except SignInFailedError:
            self._known.pop(described["jwks_uri"], None)  # perhaps it has new keys
            return await self._proven(provider, described, flow, token)

    async def _proven(
        self, provider: Provider, described: dict[str, Any], flow: _Started, token: str
    ) -> dict[str, Any]:
        from joserfc import jwt
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet

        keys = await self._fetched(described["jwks_uri"])
        rules = jwt.JWTClaimsRegistry(
            leeway=_SKEW_S,
            iss={"essential": True, "value": described["issuer"]},
            aud={"essential": True, "value": provider.client_id},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
            nonce={"essential": True, "value": flow.nonce},
        )
        try:
            ring = KeySet.import_key_set(keys)  # type: ignore[arg-type]
            read = jwt.decode(token, ring, algorithms=_ALGORITHMS)
            rules.validate(read.claims)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise SignInFailedError(f"the ID token does not hold: {error}") from error
        claims: dict[str, Any] = dict(read.claims)
        aud, azp = claims["aud"], claims.get("azp")
        if (isinstance(aud, list) and len(aud) > 1 and azp is None) or azp not in (None, provider.client_id):
            raise SignInFailedError("the ID token was made for another client")
        return claims

    async def _described(self, provider: Provider) -> dict[str, Any]:
        described = await self._fetched(provider.issuer.rstrip("/") + "/.well-known/openid-configuration")
        needed = ("issuer", "authorization_endpoint", "token_endpoint", "jwks_uri")
        if any(not isinstance(described.get(name), str) for name in needed):
            raise SignInFailedError("the provider does not describe itself as OpenID Connect Discovery asks")
        if described["issuer"].rstrip("/") != provider.issuer.rstrip("/"):
            raise SignInFailedError("the provider calls itself by another name", "mend issuer in access.toml")
        if provider.issuer.startswith("https://") and any(
            not described[name].startswith("https://") for name in needed
        ):
            raise SignInFailedError("the provider sends people through an open door", "its endpoints must be https")
        return described

    async def _fetched(self, url: str) -> dict[str, Any]:
        now = time.monotonic()
        until, kept = self._known.get(url, (0.0, None))
        if kept is None or until < now:
            kept = await _ask("GET", url)
            self._known[url] = (now + _KEYS_S, kept)
        found: dict[str, Any] = kept
        return found

    def _provider(self, ident: str) -> Provider:
        for provider in self._settings().oidc:
            if provider.id == ident:
                return provider
        raise SignInFailedError(f"there is no provider {ident[:40]!r}", "see access.toml")

    def _secret(self, provider: Provider) -> str:
        folder = self._folder() or Path()
        try:
            return (folder / provider.client_secret_file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SignInFailedError(f"the client's secret cannot be read: {error}", "see access.toml") from error


async def _ask(method: str, url: str, **more: Any) -> dict[str, Any]:
    """One call to a provider: bounded, without redirects; SignInFailedError."""
    import httpx

    try:
        async with (
            httpx.AsyncClient(timeout=_TIMEOUT_S, trust_env=urlsplit(url).scheme == "https") as client,
            client.stream(method, url, headers={"Accept": "application/json"}, **more) as answer,
        ):
            data = await _body(answer)
        found = msgspec.json.decode(data)
    except (httpx.HTTPError, httpx.InvalidURL, msgspec.MsgspecError, UnicodeError) as error:
        raise SignInFailedError(f"the provider does not answer as it should: {error}") from error
    if answer.status_code != 200 or not isinstance(found, dict):
        said = found.get("error_description") or found.get("error") if isinstance(found, dict) else ""
        raise SignInFailedError(f"the provider answered {answer.status_code} {said or ''}".strip())
    return found


async def _body(answer: "httpx.Response") -> bytes:
    data = bytearray()
    async for chunk in answer.aiter_bytes():
        data += chunk
        if len(data) > _ANSWER_BYTES_MAX:
            raise SignInFailedError("the provider's answer has no end")
    return bytes(data)
