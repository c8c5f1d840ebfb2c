"""Storey plans: every storey of a model cut 1.2 m above its floor and drawn as SVG.

| file | what |
|---|---|
| `classes` | what an IFC class is drawn as, and whether it is cut or seen from above |
| `section` | triangles → polygons: the cut at a height, the outline from above |
| `storeys` | floors of the storeys, and which elements stand on them |
| `drawing` | the shapes of one storey |
| `grounds` | the shapes of a whole site |
| `svg` | shapes → SVG text |

Importing this loads no shapely: the name storey_plans does, when it is first used.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bim.plans.plans import storey_plans

__all__ = ["storey_plans"]


def __getattr__(name: str) -> Any:
    if name != "storey_plans":
        raise AttributeError(name)
    from bim.plans.plans import storey_plans

    return storey_plans
