"""A point as a Brick file names it."""

import msgspec

__all__ = ["BrickPoint"]


class BrickPoint(msgspec.Struct, frozen=True, kw_only=True):
    """A point as the file names it: `node/device/metric` or `device/metric`. `how` tells the way to the element."""

    name: str
    brick: str
    element: str
    how: str
