"""PROJ as this product uses it: from the package's own data, never from the network."""

from typing import Any

from wire.errors import ConfigError

__all__ = ["proj"]


def proj() -> Any:
    """The module pyproj with its network access off, whatever the environment says; ConfigError when it is missing."""
    try:
        import pyproj
        import pyproj.network
    except ModuleNotFoundError as missing:
        problem = f"positions on Earth need the package {missing.name}, which is not installed"
        raise ConfigError(problem, fix='pip install "aid4[bim]"') from missing
    network: Any = pyproj.network
    if network.is_network_enabled():
        network.set_network_enabled(active=False)
    return pyproj
