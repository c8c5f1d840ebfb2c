"""Open3D for ray casting, loaded only when rays are cast: it takes half a second, 100 MB and libraries of the system.

Its wheel links libusb, libGL, libEGL, libX11, libudev and libidn2 (`ldd` of 0.20), which a bare Debian lacks.
"""

import ctypes
import re
from collections.abc import Callable
from typing import Any

from wire.errors import UserError

__all__ = ["PACKAGES", "load_open3d"]

PACKAGES = {
    "libusb-1.0.so.0": "libusb-1.0-0",
    "libGL.so.1": "libgl1",
    "libEGL.so.1": "libegl1",
    "libX11.so.6": "libx11-6",
    "libudev.so.1": "libudev1",
    "libidn2.so.0": "libidn2-0",
    "libgomp.so.1": "libgomp1",
}
"""Shared libraries of the wheel → Debian packages that bring them."""
_LIBRARY = re.compile(r"(lib[\w.+-]+?\.so[.\d]*)")


def load_open3d() -> Any:
    """The module `open3d`; raises UserError naming the Debian packages to install, ModuleNotFoundError without it."""
    try:
        import open3d
    except ModuleNotFoundError:
        raise
    except (ImportError, OSError) as error:
        found = _LIBRARY.search(str(error))
        named = [PACKAGES[found.group(1)]] if found is not None and found.group(1) in PACKAGES else []
        fix = (
            f"apt-get install {' '.join(dict.fromkeys([*named, *_absent(ctypes.CDLL)])) or ' '.join(PACKAGES.values())}"
        )
        raise UserError(f"open3d cannot be loaded: {error}", field="open3d", fix=fix) from error
    return open3d


def _absent(load: Callable[[str], object]) -> list[str]:
    """Packages of all libraries that cannot be loaded, so that nobody installs one after the other."""
    missing = []
    for library, package in PACKAGES.items():
        try:
            load(library)
        except OSError:
            missing.append(package)
    return missing
