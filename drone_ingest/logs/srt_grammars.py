"""The grammars of DJI's subtitles, as data: each aircraft and firmware writes its own.

A grammar is a pattern that must be in a cue, and how its numbers become columns. Traps met in real files: longitude
before latitude in most `GPS(…)`, after it on the Matrice 300 (which says `0.0M`); `longtitude`; sub-seconds as
`,774,808`; `fnum : 280` for f/2.8 and `focal_len : 240` for 24 mm; `H.S n/a`. The wall clock never has a zone.
"""

import re
from dataclasses import dataclass

__all__ = ["COMMON", "GRAMMARS", "Grammar", "grammar_of"]

_N = r"([+-]?\d+(?:\.\d+)?)"
_NA = rf"(?:{_N}|n/a)"


@dataclass(frozen=True, slots=True)
class Grammar:
    """A way of writing a place. `groups` names the groups of `pattern`; `height` is the column that `height` fills."""

    name: str
    pattern: re.Pattern[str]
    groups: tuple[str, ...]
    height: str = ""


GRAMMARS: tuple[Grammar, ...] = (
    Grammar(  # P4 RTK, Mavic 2 Pro: degrees with six digits, satellites third, home with its height, attitudes
        "gps_home_pry",
        re.compile(rf"GPS \({_N}, {_N}, {_N}\), HOME \({_N}, {_N}, {_N}m\)"),
        ("lon", "lat", "satellites", "home_lon", "home_lat", "home_height"),
    ),
    Grammar(  # Mavic Mini, Spark
        "gps_d_h",
        re.compile(rf"GPS \({_N}, {_N}, {_N}\), D {_NA}m?, H {_NA}m?"),
        ("lon", "lat", "satellites", "distance", ""),
    ),
    Grammar(  # Matrice 300: latitude first, a height that says M and is 0.0 without RTK
        "gps_lat_first_barometer",
        re.compile(rf"GPS\({_N},{_N},{_N}M\) BAROMETER:{_N}M?"),
        ("lat", "lon", "gps_height", "relative"),
    ),
    Grammar(  # Mavic Pro, Phantom 4
        "home_gps_barometer",
        re.compile(rf"GPS\({_N},{_N},{_N}\) BAROMETER:{_N}"),
        ("lon", "lat", "satellites", "relative"),
    ),
    Grammar(  # Phantom 3, Inspire 1: Hb by barometer, Hs by sonar
        "home_gps_hb_hs",
        re.compile(rf"GPS\({_N},{_N},{_N}\) Hb:{_NA}"),
        ("lon", "lat", "satellites", "relative"),
    ),
    Grammar(  # Mavic 3, Mini 3, Air 3: both heights, named
        "brackets_rel_abs_alt",
        re.compile(rf"\[latitude ?: ?{_N}\] ?\[long(?:t)?itude ?: ?{_N}\] ?\[rel_alt: ?{_N} abs_alt: ?{_N}\]"),
        ("lat", "lon", "relative", "height"),
        "alt_unknown_m",
    ),
    Grammar(  # Air 2S, Mavic Air 2: one height that does not say above what
        "brackets_altitude",
        re.compile(rf"\[latitude ?: ?{_N}\] ?\[longitude ?: ?{_N}\] ?\[altitude ?: ?{_N}\]"),
        ("lat", "lon", "height"),
        "alt_unknown_m",
    ),
    Grammar(  # Mavic 2: the misspelt one, with altitude
        "brackets_longtitude_altitude",
        re.compile(rf"\[latitude ?: ?{_N}\] ?\[longtitude ?: ?{_N}\] ?\[altitude ?: ?{_N}\]"),
        ("lat", "lon", "height"),
        "alt_unknown_m",
    ),
    Grammar(  # Mavic 2: the misspelt one, without any height
        "brackets_longtitude",
        re.compile(rf"\[latitude ?: ?{_N}\] ?\[long(?:t)?itude ?: ?{_N}\]"),
        ("lat", "lon"),
    ),
)

COMMON: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...] = (
    (re.compile(rf"\bH {_N}m"), ("relative",)),
    (re.compile(rf"\bH\.S {_N}m/s"), ("speed",)),
    (re.compile(rf"\bV\.S {_N}m/s"), ("climb",)),
    (re.compile(rf"F\.PRY \({_N}°, {_N}°, {_N}°\)"), ("pitch", "roll", "yaw")),
    (re.compile(rf"G\.PRY \({_N}°, {_N}°, {_N}°\)"), ("gimbal_pitch", "gimbal_roll", "gimbal_yaw")),
    (re.compile(rf"\[gb_yaw: ?{_N} gb_pitch: ?{_N} gb_roll: ?{_N}\]"), ("gimbal_yaw", "gimbal_pitch", "gimbal_roll")),
    (re.compile(r"(?:iso ?: ?|ISO[: ] ?)(\d+)", re.ASCII), ("iso",)),
    (re.compile(rf"\bfocal_len ?: ?{_N}"), ("focal_mm",)),
    (re.compile(rf"\b(?:fnum|Fnum) ?: ?F?{_N}"), ("f_number",)),
    (re.compile(rf"\b(?:F/|IR:F){_N}"), ("f_number",)),
    (re.compile(rf"HOME\({_N},{_N}\)"), ("home_lon", "home_lat")),
)
"""What most grammars share; the first match of a column counts."""


def grammar_of(text: str) -> tuple[Grammar, re.Match[str]] | None:
    """The grammar in which a cue says where it is."""
    for one in GRAMMARS:
        match = one.pattern.search(text)
        if match is not None:
            return one, match
    return None
