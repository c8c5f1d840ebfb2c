"""PROJ as this product uses it: from the package's own data, never from the network, one thread at a time.

Objects of PROJ share the context of the thread that made them, so two of them may not work at once.
"""

import threading
from typing import Any

from wire.errors import ConfigError

__all__ = ["TURN", "proj"]

TURN = threading.RLock()  # held while an object of PROJ is made or asked


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
