"""What is drawn as what. A class that the table lacks is a device, so that nothing disappears silently."""

from typing import Literal, NamedTuple

__all__ = ["LAYERS", "Look", "look_of"]

Way = Literal["cut", "opening", "above", "device", "tread", "floor", "room"]


class Look(NamedTuple):
    """layer: class of the group. way: how the shape is found.

    cut: where the plane cuts it. opening: the block it fills in its wall, and the cut. above: its outline from above,
    whether cut or below the plane. device: the same at any height, since people look for a sensor under the ceiling
    too. tread: each level face. floor: its upper face, when that is the floor. room: its
    floor.
    """

    layer: str
    way: Way


LAYERS = ("slab", "space", "furniture", "equipment", "stair", "window", "door", "wall", "column")  # bottom to top

_LOOKS = {
    **dict.fromkeys(
        (
            "IfcWall", "IfcWallStandardCase", "IfcWallElementedCase", "IfcCurtainWall", "IfcPlate",
            "IfcPlateStandardCase", "IfcCovering", "IfcBuildingElementPart", "IfcShadingDevice",
            "IfcChimney",
        ),
        Look("wall", "cut"),
    ),
    **dict.fromkeys(
        (
            "IfcColumn", "IfcColumnStandardCase", "IfcMember", "IfcMemberStandardCase", "IfcBeam",
            "IfcBeamStandardCase", "IfcPile", "IfcElementAssembly", "IfcBearing",
        ),
        Look("column", "cut"),
    ),
    **dict.fromkeys(("IfcDoor", "IfcDoorStandardCase"), Look("door", "opening")),
    **dict.fromkeys(("IfcWindow", "IfcWindowStandardCase"), Look("window", "opening")),
    **dict.fromkeys(("IfcStair", "IfcStairFlight", "IfcRamp", "IfcRampFlight"), Look("stair", "tread")),
    "IfcRailing": Look("stair", "above"),
    **dict.fromkeys(
        ("IfcSlab", "IfcSlabStandardCase", "IfcSlabElementedCase", "IfcPavement", "IfcCourse", "IfcRoad"),
        Look("slab", "floor"),
    ),
    **dict.fromkeys(("IfcFurniture", "IfcFurnishingElement", "IfcSystemFurnitureElement"), Look("furniture", "above")),
    **dict.fromkeys(  # lamps, grilles and ducts of a ceiling would cover the room
        (
            "IfcFlowSegment", "IfcFlowFitting", "IfcPipeSegment", "IfcPipeFitting", "IfcDuctSegment", "IfcDuctFitting",
            "IfcDuctSilencer", "IfcCableSegment", "IfcCableFitting", "IfcCableCarrierSegment", "IfcCableCarrierFitting",
            "IfcConveyorSegment", "IfcFlowTerminal", "IfcLightFixture", "IfcLamp", "IfcAirTerminal", "IfcOutlet",
            "IfcJunctionBox", "IfcFireSuppressionTerminal", "IfcBuildingElementProxy", "IfcCivilElement", "IfcKerb",
            "IfcVehicle",
        ),
        Look("equipment", "above"),
    ),
    "IfcSpace": Look("space", "room"),
}  # fmt: skip

# holes, what is seen elsewhere, and what is too small for a plan
_NOT_DRAWN = frozenset({
    "IfcOpeningElement", "IfcOpeningStandardCase", "IfcVoidingFeature", "IfcProjectionElement", "IfcVirtualElement",
    "IfcSite", "IfcBuilding", "IfcBuildingStorey", "IfcSpatialZone", "IfcExternalSpatialElement", "IfcGrid",
    "IfcAnnotation", "IfcGeographicElement", "IfcRoof", "IfcFooting", "IfcReinforcingBar", "IfcReinforcingMesh",
    "IfcTendon", "IfcFastener", "IfcMechanicalFastener", "IfcDiscreteAccessory", "IfcSurfaceFeature", "IfcPort",
    "IfcDistributionPort", "IfcAlignment", "IfcReferent", "IfcProxy",
})  # fmt: skip

_DEVICE = Look("equipment", "device")


def look_of(ifc_class: str) -> Look | None:
    """How a class is drawn; None for one that is not."""
    return None if ifc_class in _NOT_DRAWN else _LOOKS.get(ifc_class, _DEVICE)
