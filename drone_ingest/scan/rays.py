"""Open3D for ray casting, loaded only when rays are cast: it takes half a second, 100 MB and libraries of the system.

Its wheel links libusb, libGL, libEGL, libX11, libudev and libgomp, which a bare Debian lacks.
"""

import re
from typing import Any

from wire.errors import UserError

__all__ = ["load_open3d"]

_PACKAGES = {
    "libusb-1.0": "libusb-1.0-0",
    "libGL": "libgl1",
    "libEGL": "libegl1",
    "libX11": "libx11-6",
    "libudev": "libudev1",
    "libgomp": "libgomp1",
}


def load_open3d() -> Any:
    """The module `open3d`; raises UserError naming the Debian package to install, ModuleNotFoundError without it."""
    try:
        import open3d
    except ModuleNotFoundError:
        raise
    except (ImportError, OSError) as error:
        found = re.search(r"(lib[\w.+-]+?)\.so", str(error))
        package = _PACKAGES.get(found.group(1) if found else "", " ".join(_PACKAGES.values()))
        fix = f"apt-get install {package}"
        raise UserError(f"open3d cannot be loaded: {error}", field="open3d", fix=fix) from error
    return open3d
