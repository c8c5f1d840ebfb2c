"""The doctor's look at the gateway's certificate: there, private, of this name, not ended, renewed in time."""

import stat
import time
from typing import Final

from edge.config import AgentConfig
from edge.findings import Finding
from edge.health import read_status
from edge.trust_files import read_held
from wire.errors import ConfigError
from wire.limits import CLOCK_TRUSTED_FROM_US

__all__ = ["certificate", "twice"]

_AGAIN: Final = "`aid4 twin enrolment {node}` at the twin says what to type here"


def certificate(config: AgentConfig) -> list[Finding]:
    """Findings about the certificate; none where the broker asks for none."""
    broker = config.broker
    if not broker.cert_file:
        return []
    path, again = config.path(broker.cert_file), _AGAIN.format(node=config.node)
    try:
        held = read_held(path)
    except ConfigError as error:
        return [Finding("certificate", False, f"{path}: {error.problem}", error.fix)]
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return [Finding("certificate", False, f"{path} can be read by others", f"chmod 600 {path}")]
    if held is None:
        return [Finding("certificate", True, f"{path} came another way than by enrolment: its end is not watched")]
    if (held.site, held.node) != (config.site, config.node):
        detail = f"it is for {held.site}/{held.node}, the configuration says {config.site}/{config.node}"
        return [Finding("certificate", False, detail, f"set site and node back, or enrol: {again}")]
    now_us = time.time_ns() // 1_000
    end = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(held.not_after_us / 1e6))
    if now_us < CLOCK_TRUSTED_FROM_US:
        return [
            Finding("certificate", True, f"it holds until {end}; this machine's clock cannot say whether that is over")
        ]
    why = _told(config)
    if now_us > held.not_after_us:
        detail = f"it ended {end}" + (f"; {why}" if why else "")
        fix = f"it renews by itself when {broker.renew_url or 'the twin'} is reached; if the twin refuses: {again}"
        return [Finding("certificate", False, detail, fix)]
    if now_us > (held.renew_us + held.not_after_us) // 2:
        detail = f"it should have been renewed and ends {end}" + (f"; {why}" if why else "")
        fix = f"is the agent running, and can it reach {broker.renew_url or 'the twin'}? Else: {again}"
        return [Finding("certificate", False, detail, fix)]
    return [Finding("certificate", True, f"{held.serial[:12]}… holds until {end}")]


def twice(config: AgentConfig) -> list[Finding]:
    """The finding that another gateway lives under the name of this one, as the twin told the running agent."""
    why = _told(config, "refused_by_twin")
    if not why:
        return []
    fix = f"if this is the copy: set another `node`, and enrol it; else {_AGAIN.format(node=config.node)}"
    return [Finding("name", False, why, fix)]


def _told(config: AgentConfig, what: str = "certificate_problem") -> str:
    """What a running agent last said of its renewal, or of something else."""
    health = read_status(config.spool_dir / "status.json")
    return str(health.host.get(what, "")) if health is not None else ""
