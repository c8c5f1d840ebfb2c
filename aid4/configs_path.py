"""Where `configs/` lies: beside the rooms, in the wheel as in a checkout."""

import tomllib
from fnmatch import fnmatchcase
from pathlib import Path

from wire.errors import UserError

__all__ = ["config_path", "site_path"]

_CONFIGS = Path(__file__).resolve().parents[1] / "configs"


def config_path(*parts: str) -> Path:
    """A file or folder of `configs/`; UserError when the installation lacks it."""
    path = _CONFIGS.joinpath(*parts)
    if not path.exists():
        raise UserError("is missing from this installation", file=str(path), fix="install aid4 again")
    return path


def site_path(site: str | None, ifc: Path | None = None) -> Path:
    """The folder of a site: a path that a person gave, or the name of one that comes with AID4.

    Without one it is the site whose replay.toml knows a model of that name (`ifc = ["Office_A*.ifc"]`), else campus.
    """
    if site is None:
        knows = (path.parent for path in sorted(_CONFIGS.glob("sites/*/replay.toml")) if ifc and _knows(path, ifc.name))
        return next(knows, config_path("sites", "campus"))
    given = Path(site)
    if (given / "site.toml").is_file():
        return given.resolve()
    shipped = _CONFIGS / "sites" / site
    if (shipped / "site.toml").is_file():
        return shipped
    known = ", ".join(sorted(path.parent.name for path in _CONFIGS.glob("sites/*/site.toml")))
    fix = f"give a folder with a site.toml, or one of: {known}"
    raise UserError("no site is there", file=str(given), field="--site", fix=fix)


def _knows(replay: Path, model: str) -> bool:
    patterns = tomllib.loads(replay.read_text(encoding="utf-8")).get("ifc", [])
    return any(fnmatchcase(model, pattern) for pattern in patterns)
