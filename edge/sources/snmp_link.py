"""Questions to one SNMP agent: GET in requests of a bounded size, GETBULK of a column, SET. v2c, and v3 with its keys.

pysnmp asks. An answer that was cut, lies about what it answers, or runs in circles is an `SnmpError`; one that
nobody can read is as good as none.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from pysnmp.error import PySnmpError
from pysnmp.hlapi.v3arch import asyncio as snmp
from pysnmp.proto import rfc1905

from edge.sources import SourceConfig
from wire.errors import ConfigError

__all__ = ["SnmpError", "SnmpLink", "SnmpLogin"]

PER_REQUEST = 24  # values that fit the 1,472 bytes of a datagram with room to spare
ROWS_MAX = 512
REPEATS = 16  # rows that one GETBULK asks for
TOO_BIG = 1
GUARD_S = 2.0  # beside its own time-outs
_AUTHS = {
    "sha1": snmp.USM_AUTH_HMAC96_SHA, "sha256": snmp.USM_AUTH_HMAC192_SHA256, "sha512": snmp.USM_AUTH_HMAC384_SHA512,
    "md5": snmp.USM_AUTH_HMAC96_MD5,
}  # fmt: skip
_PRIVACIES = {"aes128": snmp.USM_PRIV_CFB128_AES, "aes256": snmp.USM_PRIV_CFB256_AES, "des": snmp.USM_PRIV_CBC56_DES}

Oid = tuple[int, ...]


class SnmpError(Exception):
    """The agent did not answer, refused, or said what cannot be. `silent`: there was no answer at all."""

    def __init__(self, why: str, *, silent: bool = False) -> None:
        super().__init__(why)
        self.silent = silent


class SnmpLogin(SourceConfig):
    """Who we are: a community of v2c, or a user of v3 with the passwords that its agent has."""

    version: Literal["2c", "3"] = "2c"
    community: str = "public"
    community_file: str = ""
    user: str = ""
    auth: Literal["sha1", "sha256", "sha512", "md5"] = "sha256"
    auth_password: str = ""
    auth_password_file: str = ""
    privacy: Literal["aes128", "aes256", "des"] = "aes128"
    privacy_password: str = ""
    privacy_password_file: str = ""
    timeout_s: Annotated[float, msgspec.Meta(ge=0.1, le=60)] = 2.0
    retries: Annotated[int, msgspec.Meta(ge=0, le=5)] = 1


def _secret(config: SnmpLogin, name: str, folder: Path) -> str:
    file = getattr(config, f"{name}_file")
    return (folder / file).read_text().strip() if file else str(getattr(config, name))


def _login(config: SnmpLogin, folder: Path) -> Any:
    if config.version == "2c":
        return snmp.CommunityData(_secret(config, "community", folder), mpModel=1)  # noqa: S508 - what most devices speak
    auth, privacy = _secret(config, "auth_password", folder), _secret(config, "privacy_password", folder)
    if not config.user or (privacy and not auth) or any(0 < len(key) < 8 for key in (auth, privacy)):
        fix = "give user, auth_password and privacy_password of at least 8 characters each (RFC 3414)"
        raise ConfigError("no complete user of SNMPv3", field="user", fix=fix)
    return snmp.UsmUserData(
        config.user, auth or None, privacy or None,
        authProtocol=_AUTHS[config.auth] if auth else snmp.USM_AUTH_NONE,
        privProtocol=_PRIVACIES[config.privacy] if privacy else snmp.USM_PRIV_NONE,
    )  # fmt: skip


class SnmpLink:
    """One agent. `open` before asking; `renew` forgets what is known of it, such as the clock of v3."""

    def __init__(self, config: SnmpLogin, folder: Path, host: str, port: int) -> None:
        self._config, self._address = config, (host, port)
        self._login = _login(config, folder)
        self._engine: Any = None
        self._target: Any = None
        self._busy = asyncio.Lock()

    async def renew(self) -> None:
        """Begin anew, with a socket of its own; OSError or SnmpError when the name of the agent is unknown."""
        self.close()
        try:
            self._target = await snmp.UdpTransportTarget.create(
                self._address, timeout=self._config.timeout_s, retries=self._config.retries
            )
        except PySnmpError as error:
            raise SnmpError(f"{self._address[0]}: {error}", silent=True) from error
        self._engine = snmp.SnmpEngine()

    def close(self) -> None:
        """Close the socket."""
        if self._engine is not None:
            self._engine.close_dispatcher()
            self._engine = None

    async def get(self, oids: Sequence[Oid]) -> list[Any]:
        """The value of each; what the agent does not have is one of pysnmp's NoSuch… objects."""
        found: list[Any] = []
        for at in range(0, len(oids), PER_REQUEST):
            found += await self._get(oids[at : at + PER_REQUEST])
        return found

    async def _get(self, oids: Sequence[Oid]) -> list[Any]:
        status, answers = await self._ask(snmp.get_cmd, *((oid, None) for oid in oids))
        if status == TOO_BIG and len(oids) > 1:
            half = len(oids) // 2
            return await self._get(oids[:half]) + await self._get(oids[half:])
        if status:
            raise SnmpError(f"error status {status}")
        if [oid for oid, _ in answers] != list(oids):
            raise SnmpError("the answer is to another question")
        return [value for _, value in answers]

    async def column(self, oid: Oid) -> list[tuple[Oid, Any]]:
        """The rows of a column by their index, at most ROWS_MAX."""
        rows: list[tuple[Oid, Any]] = []
        last = oid
        while len(rows) < ROWS_MAX:
            status, answers = await self._ask(snmp.bulk_cmd, (last, None), before=(0, REPEATS))
            if status:
                raise SnmpError(f"error status {status}")
            for name, value in answers:
                if name[: len(oid)] != oid or isinstance(value, rfc1905.EndOfMibView):
                    return rows
                if name <= last:
                    raise SnmpError(f"the rows of {'.'.join(map(str, oid))} run in circles")
                rows.append((name[len(oid) :], value))
                last = name
            if not answers:
                return rows
        return rows[:ROWS_MAX]

    async def set(self, oid: Oid, value: Any) -> None:
        """Write one value; SnmpError when the agent does not take it."""
        status, _ = await self._ask(snmp.set_cmd, (oid, value))
        if status:
            raise SnmpError(rfc1905.errorStatus.namedValues.getName(status) or f"error status {status}")

    async def _ask(self, command: Any, *pairs: tuple[Oid, Any], before: tuple[int, ...] = ()) -> tuple[int, Any]:
        """Error status, and pairs of OID and value."""
        bound = [
            snmp.ObjectType(snmp.ObjectIdentity(oid), *(() if value is None else (value,))) for oid, value in pairs
        ]
        guard_s = self._config.timeout_s * (self._config.retries + 1) + GUARD_S
        try:
            async with self._busy, asyncio.timeout(guard_s):
                if self._engine is None:
                    await self.renew()
                wrong, status, _, answers = await command(
                    self._engine, self._login, self._target, snmp.ContextData(), *before, *bound, lookupMib=False
                )
        except TimeoutError as error:
            raise SnmpError("no answer in time", silent=True) from error
        except PySnmpError as error:
            raise SnmpError(str(error)) from error
        if wrong:
            raise SnmpError(str(wrong), silent=True)
        return int(status), [(tuple(name), value) for name, value in answers]
