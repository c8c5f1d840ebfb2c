"""Map tiles that a site ships: one PMTiles archive (version 3) beside site.toml, laid under the map of the site.

```toml
[basemap]
file = "region.pmtiles"
attribution = "© OpenStreetMap contributors"     # what the tiles' licence asks to be written on the map
```

Only the head of the archive is read here; the page fetches the tiles it shows by ranges of the file. The layout of the
head is that of https://github.com/protomaps/PMTiles/blob/main/spec/v3/spec.md, section 3.
"""

import re
import struct
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta

from wire.errors import ConfigError

__all__ = ["Basemap", "BasemapFile", "BasemapFacts", "open_basemap", "read_head"]

_HEAD_BYTES = 127
_MAGIC = b"PMTiles"
_KINDS: dict[int, Literal["vector", "raster"]] = {1: "vector", 2: "raster", 3: "raster", 4: "raster", 5: "raster"}
_PACKED_FOR_BROWSERS = (1, 2)  # tiles as they are, or gzip: browsers undo no other one
_ZOOM_MAX = 30
_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.pmtiles$")
_FIX = "give a PMTiles archive of version 3, such as `pmtiles extract` writes"


class BasemapFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The `[basemap]` table of site.toml; a relative path starts at the site's folder."""

    file: Annotated[str, Meta(min_length=1, max_length=500)]
    attribution: Annotated[str, Meta(max_length=200)] = ""


class BasemapFacts(msgspec.Struct, frozen=True):
    """What a page must know of the tiles; `bounds` is west, south, east, north in degrees."""

    url: str
    kind: Literal["vector", "raster"]
    zoom_min: int
    zoom_max: int
    bounds: tuple[float, float, float, float]
    attribution: str


class Basemap(NamedTuple):
    """An archive that is there and can be shown."""

    path: Path
    facts: BasemapFacts


def open_basemap(folder: str, wanted: BasemapFile | None) -> Basemap | None:
    """The archive that a site names, its head checked; ConfigError says what is wrong with it."""
    if wanted is None:
        return None
    path = Path(folder, wanted.file)
    if not _NAME.match(path.name):
        fix = "use letters, digits, dots, dashes, and the ending .pmtiles"
        raise ConfigError("is no file name of tiles", file=str(path), field="basemap.file", fix=fix)
    try:
        with path.open("rb") as archive:
            head = archive.read(_HEAD_BYTES)
    except OSError as error:
        fix = "lay the archive beside site.toml, or leave [basemap] out"
        raise ConfigError(f"cannot be read: {error.strerror}", file=str(path), field="basemap.file", fix=fix) from error
    facts = read_head(head, file=str(path))
    return Basemap(
        path, msgspec.structs.replace(facts, url=f"/api/v1/basemap/{path.name}", attribution=wanted.attribution)
    )


def read_head(head: bytes, *, file: str) -> BasemapFacts:
    """The facts in the first 127 bytes of an archive, without address and attribution; ConfigError when it is none."""
    if len(head) < _HEAD_BYTES or not head.startswith(_MAGIC) or head[7] != 3:
        raise ConfigError("is no PMTiles archive of version 3", file=file, field="basemap.file", fix=_FIX)
    packed, kind, zoom_min, zoom_max = head[98:102]
    if kind not in _KINDS or packed not in _PACKED_FOR_BROWSERS:
        fix = "convert it to vector (MVT), PNG, JPEG, WebP or AVIF tiles, as they are or with gzip"
        raise ConfigError("holds tiles that a browser cannot show", file=file, field="basemap.file", fix=fix)
    west, south, east, north = (value / 1e7 for value in struct.unpack_from("<4i", head, 102))
    on_earth = -180 <= west < east <= 180 and -90 <= south < north <= 90
    if not on_earth or not zoom_min <= zoom_max <= _ZOOM_MAX:
        raise ConfigError("says that it covers nothing on Earth", file=file, field="basemap.file", fix=_FIX)
    return BasemapFacts("", _KINDS[kind], zoom_min, zoom_max, (west, south, east, north), "")
