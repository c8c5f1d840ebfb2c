"""The conftest of another folder, for tests that need its fixtures; pytest gives them to its own folder only."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

__all__ = ["conftest_of"]


def conftest_of(folder: str) -> Any:
    """The module tests/`folder`/conftest.py, loaded for the caller alone."""
    path = Path(__file__).parents[1] / folder / "conftest.py"
    spec = spec_from_file_location(f"conftest_of_{folder}", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
