"""Tables of a park: trades with their cost group and material, uses of rooms, systems.

Cost groups are those of DIN 276:2018-12, which a tender in Central Europe is structured by.
"""

from typing import NamedTuple

__all__ = [
    "COST_GROUPS",
    "DEVICE_CLASSES",
    "FLOW_CLASSES",
    "SENSOR_KINDS",
    "SYSTEMS",
    "TRADES",
    "USES",
    "Trade",
    "Use",
]


class Trade(NamedTuple):
    """Who builds it: a cost group and what it is made of."""

    cost_group: str
    material: str = ""


COST_GROUPS = {
    "322": "Flat foundations and base slabs",
    "331": "Load-bearing outer walls",
    "334": "Openings in outer walls",
    "337": "Elemented outer walls",
    "342": "Non-load-bearing inner walls",
    "343": "Columns",
    "344": "Openings in inner walls",
    "351": "Structural floors",
    "353": "Floor finishes",
    "359": "Stairs and railings",
    "361": "Roof structures",
    "363": "Roof coverings",
    "381": "General fittings",
    "412": "Water systems",
    "421": "Heat generation",
    "422": "Heat distribution",
    "423": "Room heating surfaces",
    "431": "Ventilation systems",
    "434": "Refrigeration systems",
    "442": "Own power supply",
    "443": "Low-voltage switchgear",
    "444": "Low-voltage installation",
    "445": "Lighting systems",
    "457": "Data transmission networks",
    "473": "Media supply systems",
    "474": "Extinguishing systems",
    "475": "Process systems",
    "477": "Process heating, cooling and air",
    "481": "Automation devices",
    "484": "Field devices of automation",
    "511": "Production of the ground",
    "532": "Roads",
    "531": "Paths",
    "534": "Parking areas",
    "541": "Fences",
    "546": "Outdoor lighting",
    "574": "Planting",
    "579": "Irrigation",
}
TRADES: dict[str, Trade] = {
    "earthworks": Trade("511", "Topsoil"),
    "foundation": Trade("322", "Concrete C25/30"),
    "columns": Trade("343", "Concrete C40/50"),
    "steel": Trade("343", "Steel S355"),
    "slabs": Trade("351", "Concrete C30/37"),
    "walls": Trade("331", "Brick with mineral insulation"),
    "facade": Trade("337", "Aluminium and glass"),
    "cladding": Trade("337", "Sandwich panel, mineral wool"),
    "windows": Trade("334", "Timber-aluminium, triple glazed"),
    "partitions": Trade("342", "Gypsum board on studs"),
    "doors": Trade("344", "Timber"),
    "stairs": Trade("359", "Precast concrete"),
    "roof": Trade("361", "Concrete C30/37"),
    "roofing": Trade("363", "Membrane and gravel"),
    "finishes": Trade("353", "Floor covering"),
    "furniture": Trade("381"),
    "water": Trade("412", "Stainless steel pipe"),
    "heating": Trade("422", "Steel pipe"),
    "heaters": Trade("423"),
    "ducts": Trade("431", "Galvanised steel sheet"),
    "terminals": Trade("431"),
    "plant": Trade("421"),
    "cooling": Trade("434"),
    "electrical": Trade("443"),
    "trays": Trade("444", "Galvanised steel sheet"),
    "lighting": Trade("445"),
    "sprinklers": Trade("474"),
    "controls": Trade("481"),
    "sensors": Trade("484"),
    "gas": Trade("473"),
    "machines": Trade("475"),
    "process": Trade("477"),
    "photovoltaics": Trade("442", "Monocrystalline silicon"),
    "storage": Trade("442"),
    "chargers": Trade("444"),
    "glazing": Trade("337", "Toughened glass"),
    "growing": Trade("579", "Substrate"),
    "irrigation": Trade("579"),
    "roads": Trade("532", "Asphalt"),
    "paths": Trade("531", "Concrete paving"),
    "parking": Trade("534", "Asphalt"),
    "fences": Trade("541", "Galvanised steel"),
    "lamps": Trade("546"),
    "planting": Trade("574"),
}


class Use(NamedTuple):
    """How a room of one use is fitted out; spacings in metres, 0 leaves it out."""

    floor: str
    furniture: str = ""
    light_m: float = 3.0
    terminal_m: float = 4.5
    heated: bool = True


USES: dict[str, Use] = {
    "office": Use("carpet", "desk"),
    "lobby": Use("tile", "sofa", 3.5),
    "canteen": Use("tile", "table"),
    "laboratory": Use("resin", "bench"),
    "meeting": Use("parquet", "table"),
    "seminar": Use("parquet", "seats"),
    "corridor": Use("tile", "", 4.0, 9.0, False),
    "stair": Use("tile", "", 4.0, 0.0, False),
    "wc": Use("tile", "", 2.5, 3.0),
    "store": Use("screed", "shelf", 4.0, 0.0, False),
    "plant": Use("resin", "", 4.0, 0.0, False),
    "electrical": Use("resin", "", 3.5, 6.0, False),
    "server": Use("resin", "rack", 3.0, 3.0, False),
    "workshop": Use("resin", "bench", 4.0, 6.0),
    "hall": Use("resin", "", 6.0, 10.0, False),
    "cleanroom": Use("resin", "", 2.4, 2.4, False),
    "process": Use("resin", "", 4.0, 0.0, False),
    "greenhouse": Use("soil", "", 6.0, 0.0, False),
    "barn": Use("screed", "", 6.0, 0.0, False),
    "terrace": Use("timber", "", 0.0, 0.0, False),
}

# key → name, predefined type of the IfcDistributionSystem
SYSTEMS = {
    "electrical": ("Electrical distribution", "ELECTRICAL"),
    "generation": ("Photovoltaics and storage", "POWERGENERATION"),
    "charging": ("Vehicle charging", "ELECTRICAL"),
    "lighting": ("Lighting", "LIGHTING"),
    "supply_air": ("Supply air", "VENTILATION"),
    "extract_air": ("Extract air", "EXHAUST"),
    "ventilation": ("Ventilation", "VENTILATION"),
    "heating": ("Heating water", "HEATING"),
    "cooling": ("Chilled water", "CHILLEDWATER"),
    "sprinklers": ("Sprinklers", "FIREPROTECTION"),
    "control": ("Building automation", "CONTROL"),
    "irrigation": ("Irrigation water", "WATERSUPPLY"),
    "water": ("Water supply", "WATERSUPPLY"),
    "compressed_air": ("Compressed air", "COMPRESSEDAIR"),
    "gas": ("Process gases", "GAS"),
    "vacuum": ("Process vacuum", "VACUUM"),
    "exhaust": ("Process exhaust", "EXHAUST"),
}

# what a device may be: flow elements, which sensors control and which have ports, and the others
FLOW_CLASSES = frozenset(
    f"Ifc{name}"
    for name in (
        "UnitaryEquipment", "Pump", "Chiller", "Boiler", "CoolingTower", "Valve", "Tank", "ElectricDistributionBoard",
        "Transformer", "ElectricFlowStorageDevice", "FlowMeter", "Fan", "Filter", "SolarDevice", "Compressor",
        "ElectricAppliance", "AirTerminalBox",
    )
)  # fmt: skip
DEVICE_CLASSES = FLOW_CLASSES | {
    "IfcSensor", "IfcController", "IfcActuator", "IfcFlowInstrument", "IfcBuildingElementProxy",
    "IfcCommunicationsAppliance",
}  # fmt: skip
SENSOR_KINDS = frozenset(
    (
        "CO2SENSOR", "CONDUCTANCESENSOR", "CONTACTSENSOR", "COSENSOR", "FIRESENSOR", "FLOWSENSOR", "FROSTSENSOR",
        "GASSENSOR", "HEATSENSOR", "HUMIDITYSENSOR", "LEVELSENSOR", "LIGHTSENSOR", "MOISTURESENSOR", "MOVEMENTSENSOR",
        "PHSENSOR", "PRESSURESENSOR", "RADIATIONSENSOR", "RAINSENSOR", "SMOKESENSOR", "SOUNDSENSOR",
        "TEMPERATURESENSOR", "USERDEFINED", "WINDSENSOR",
    )
)  # fmt: skip
