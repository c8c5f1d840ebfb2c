"""A small OpenID provider as a process of its own: `python provider.py PORT`. Authorization code with PKCE, RS256.

Everybody who comes is the person of `POST /as`, or leaves with an error; `POST /twist` spoils the next ID token.
"""

import base64
import hashlib
import secrets
import sys
import time
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import uvicorn
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

PORT = int(sys.argv[1])
ISSUER = f"http://127.0.0.1:{PORT}"
CLIENT, SECRET = "aid4-lab", "the secret of the client"
KEY, FOREIGN = (RSAKey.generate_key(2048, {"kid": "k1"}, auto_kid=False) for _ in range(2))
codes: dict[str, dict[str, str]] = {}
person: dict[str, Any] = {}
twist = {"kind": ""}


async def describe(_: Request) -> Response:
    return JSONResponse(
        {
            "issuer": ISSUER,
            "authorization_endpoint": f"{ISSUER}/authorize",
            "token_endpoint": f"{ISSUER}/token",
            "jwks_uri": f"{ISSUER}/jwks",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
        }
    )


async def keys(_: Request) -> Response:
    return JSONResponse(KeySet([KEY]).as_dict(private=False))


async def authorize(request: Request) -> Response:
    query = dict(request.query_params)
    back = urlsplit(query.get("redirect_uri", ""))
    known = back.hostname == "127.0.0.1" and back.path == "/api/v1/session/oidc/lab/callback"
    if query.get("client_id") != CLIENT or not known:
        return JSONResponse({"error": "invalid_request"}, 400)
    fits = query.get("response_type") == "code" and query.get("code_challenge_method") == "S256"
    if not fits or "openid" not in query["scope"].split() or not person:
        return RedirectResponse(
            f"{back.geturl()}?{urlencode({'error': 'access_denied', 'state': query['state']})}", 303
        )
    code = secrets.token_urlsafe(16)
    codes[code] = query
    return RedirectResponse(f"{back.geturl()}?{urlencode({'code': code, 'state': query['state'], 'iss': ISSUER})}", 303)


async def token(request: Request) -> Response:
    form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
    login = base64.b64decode(request.headers.get("authorization", "").removeprefix("Basic ")).decode()
    asked = codes.pop(form.get("code", ""), None)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest()).rstrip(b"=")
    if login != f"{CLIENT}:{SECRET}":
        return JSONResponse({"error": "invalid_client"}, 401)
    if asked is None or challenge.decode() != asked["code_challenge"] or form["redirect_uri"] != asked["redirect_uri"]:
        return JSONResponse({"error": "invalid_grant"}, 400)
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": asked["nonce"], **person}
    spoiled = {
        "nonce": {"nonce": "another"},
        "aud": {"aud": "another-client"},
        "aud-many": {"aud": [CLIENT, "another-client"]},
        "iss": {"iss": "http://127.0.0.1:1"},
        "exp": {"exp": now - 3_600, "iat": now - 7_200},
    }
    claims |= spoiled.get(twist["kind"], {})
    key = FOREIGN if twist["kind"] == "key" else KEY
    made = jwt.encode({"alg": "RS256", "kid": "k1"}, claims, key)
    if twist["kind"] == "none":
        head = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
        made = f"{head}.{made.split('.')[1]}."
    return JSONResponse({"access_token": "x", "token_type": "Bearer", "id_token": made, "expires_in": 300})


async def become(request: Request) -> Response:
    person.clear()
    person.update(await request.json())
    return JSONResponse(person)


async def spoil(request: Request) -> Response:
    twist.update(await request.json())
    return JSONResponse(twist)


app = Starlette(
    routes=[
        Route("/.well-known/openid-configuration", describe),
        Route("/jwks", keys),
        Route("/authorize", authorize),
        Route("/token", token, methods=["POST"]),
        Route("/as", become, methods=["POST"]),
        Route("/twist", spoil, methods=["POST"]),
    ]
)

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=PORT, log_level="error")
