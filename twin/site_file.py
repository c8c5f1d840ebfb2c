"""Files of a site's folder that a part of the twin reads at the start, each with a shape of its own."""

import tomllib
from pathlib import Path
from typing import TypeVar

import msgspec

from wire.errors import ConfigError

__all__ = ["read_site_file"]

T = TypeVar("T", bound=msgspec.Struct)


def read_site_file(folder: Path | None, name: str, shape: type[T], *, docs: str) -> tuple[T, Path | None]:
    """The table `name` of a site's folder, and where it is; the shape's own defaults and None where there is none.

    ConfigError names what is wrong; `docs` is where its form is written down."""
    file = folder / name if folder else None
    if file is None or not file.is_file():
        return shape(), None
    try:
        return msgspec.convert(tomllib.loads(file.read_text(encoding="utf-8")), shape), file
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"cannot be read: {error}", file=str(file), fix="mend the syntax at that place") from error
    except msgspec.ValidationError as error:
        raise ConfigError(str(error), file=str(file), fix=f"see {docs}") from error
