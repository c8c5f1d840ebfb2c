"""Trust in gateways on the page, in a real Chromium against `aid4 run --listen`; the checks are in
web/e2e/fleet_checks.mjs."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.web.conftest import Checked, park


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[str]:
    """A small park that gateways may join, on loopback."""
    ports = ("--broker-port", "0", "--gateway-port", "0")
    with park(tmp_path, "--site", "farm", "--past", "0", "--listen", "127.0.0.1", *ports) as url:
        yield url


def test_gateways_are_let_in_and_out_from_the_page(checked: Checked, farm: str, tmp_path: Path) -> None:
    gateway = tmp_path / "gateway"
    gateway.mkdir()
    own = {"AID4": str(Path(sys.executable).with_name("aid4")), "GATEWAY": str(gateway)}
    for check in (
        "certificates_read_well_in_every_language_and_size",
        "a_gateway_is_configured_from_the_page_and_back",
        "gateways_are_let_in_and_out_from_the_page",
    ):
        checked(farm, check, **own)
    assert (gateway / "trust" / "gateway.pem").stat().st_mode & 0o077 == 0
