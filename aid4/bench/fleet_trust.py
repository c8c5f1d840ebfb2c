"""Certificates for a whole fleet at once: an authority, and a key and certificate for each user of its broker."""

import time
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from aid4.broker_tls import PROBE, BrokerTls
from aid4.broker_users import BrokerUser
from twin.pki import SiteAuthority, key_pem, new_key

__all__ = ["fleet_trust"]

DAYS = 1.0
LINEAGE = "bench"


def fleet_trust(folder: Path, site: str, users: list[BrokerUser]) -> tuple[list[BrokerUser], BrokerTls]:
    """The users as they sign in by certificate, and what the broker needs for it; each has `<folder>/<name>.pem`."""
    authority, now_us = SiteAuthority(folder, site), time.time_ns() // 1_000
    probe = BrokerUser(PROBE, "-", publish=(PROBE,), subscribe=(PROBE,))
    made = []
    for user in (*users, probe):
        key = new_key()
        certificate = authority.sign_client(user.name, LINEAGE, key.public_key(), DAYS, now_us)
        path = folder / f"{user.name}.pem"
        path.touch(mode=0o600)
        path.write_bytes(key_pem(key) + certificate.public_bytes(Encoding.PEM))
        made.append(BrokerUser(user.name, "-", user.publish, user.subscribe, f"{LINEAGE}.{user.name}"))
    server = authority.server_file("broker", ["127.0.0.1"])
    return made, BrokerTls("127.0.0.1", authority.ca_file, authority.crl_file, server, folder / f"{PROBE}.pem")
