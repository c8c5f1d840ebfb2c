"""Where `configs/` lies: beside the rooms, in the wheel as in a checkout."""

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


def site_path(site: str) -> Path:
    """The folder of a site: a path that a person gave, or the name of one that comes with AID4."""
    given = Path(site)
    if (given / "site.toml").is_file():
        return given.resolve()
    shipped = _CONFIGS / "sites" / site
    if (shipped / "site.toml").is_file():
        return shipped
    known = ", ".join(sorted(path.parent.name for path in _CONFIGS.glob("sites/*/site.toml")))
    fix = f"give a folder with a site.toml, or one of: {known}"
    raise UserError("no site is there", file=str(given), field="--site", fix=fix)
