"""Profiles: what a family of devices says and how, one TOML file a family, shared by all sites."""

import tomllib
from pathlib import Path
from typing import TypeVar

import msgspec

from wire.errors import ConfigError

__all__ = ["load_profile"]

PROFILES = Path(__file__).resolve().parents[2] / "configs"  # in a checkout and in an installed wheel alike
PROFILE_BYTES_MAX = 1 << 20  # a thousand registers with all their fields are a tenth of that

T = TypeVar("T", bound=msgspec.Struct)


def load_profile(name: str, folder: Path, shape: type[T]) -> T:
    """Read the profile `name`: a path beside the config file, or one of ours, such as `profiles/mqtt/shelly.toml`.

    Raises ConfigError with file, field and fix when it is not there or does not fit `shape`.
    """
    path = next((base / name for base in (folder, PROFILES) if (base / name).is_file()), None)
    if path is None:
        ours = sorted(str(p.relative_to(PROFILES)) for p in (PROFILES / Path(name).parent).glob("*.toml"))
        fix = f"use one of: {', '.join(ours)}" if ours else "give a path relative to the config file"
        raise ConfigError(f"no profile {name!r}", file=str(folder / name), field="profile", fix=fix)
    if path.stat().st_size > PROFILE_BYTES_MAX:
        raise ConfigError(f"over {PROFILE_BYTES_MAX} bytes", file=str(path), fix="is it a profile?")
    try:
        return msgspec.convert(tomllib.loads(path.read_text("utf-8")), shape)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"not TOML: {error}", file=str(path), fix="mend the line it names") from error
    except UnicodeDecodeError as error:
        raise ConfigError("not UTF-8", file=str(path), fix="save it as UTF-8") from error
    except msgspec.ValidationError as error:
        problem, _, field = str(error).partition(" - at `$.")
        fix = "see the profiles beside it for what a field may hold"
        raise ConfigError(problem, file=str(path), field=field.rstrip("`"), fix=fix) from error
