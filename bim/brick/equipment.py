"""The Brick class of an element: what the model says itself, else that of its IFC class and predefined type.

IFC2X3 files name a general class (IfcFlowTerminal) and tell the rest by the class of the type object, so both are
looked at. Classes are of Brick 1.4 and 1.5.
"""

from collections.abc import Mapping
from typing import Any

__all__ = ["EQUIPMENT", "PLACES", "brick_class"]

PLACES: dict[str, str] = {
    "IfcSite": "Site",
    "IfcBuilding": "Building",
    "IfcBuildingStorey": "Floor",
    "IfcSpace": "Room",
    "IfcSpatialZone": "Zone",
    "IfcZone": "Zone",
    "IfcExternalSpatialElement": "Outdoor_Area",
    "IfcSystem": "System",
    "IfcDistributionSystem": "System",
    "IfcBuildingSystem": "System",
}

# IFC class without `Ifc` and `Type`, or class.PREDEFINED
EQUIPMENT: dict[str, str] = {
    "Actuator": "Equipment",
    "AirTerminal": "Air_Diffuser",
    "AirTerminalBox": "Terminal_Unit",
    "AirTerminalBox.VARIABLEFLOWPRESSUREDEPENDANT": "VAV",
    "AirTerminalBox.VARIABLEFLOWPRESSUREINDEPENDANT": "VAV",
    "AirToAirHeatRecovery": "Heat_Exchanger",
    "AirToAirHeatRecovery.ROTARYWHEEL": "Heat_Wheel",
    "Alarm": "Fire_Safety_Equipment",
    "Alarm.MANUALPULLBOX": "Manual_Fire_Alarm_Activation_Equipment",
    "AudioVisualAppliance": "Audio_Visual_Equipment",
    "AudioVisualAppliance.CAMERA": "Camera",
    "Boiler": "Boiler",
    "Burner": "Equipment",
    "Chiller": "Chiller",
    "Coil": "Coil",
    "Coil.DXCOOLINGCOIL": "Cooling_Coil",
    "Coil.WATERCOOLINGCOIL": "Cooling_Coil",
    "Coil.ELECTRICHEATINGCOIL": "Heating_Coil",
    "Coil.GASHEATINGCOIL": "Heating_Coil",
    "Coil.STEAMHEATINGCOIL": "Heating_Coil",
    "Coil.WATERHEATINGCOIL": "Heating_Coil",
    "CommunicationsAppliance": "ICT_Equipment",
    "CommunicationsAppliance.GATEWAY": "Gateway",
    "CommunicationsAppliance.NETWORKHUB": "Data_Network_Equipment",
    "Compressor": "Compressor",
    "Condenser": "HVAC_Equipment",
    "Controller": "Controller",
    "CooledBeam": "Chilled_Beam",
    "CoolingTower": "Cooling_Tower",
    "Damper": "Damper",
    "DistributionControlElement": "Equipment",
    "DistributionElement": "Equipment",
    "DistributionFlowElement": "Equipment",
    "ElectricAppliance": "Electrical_Equipment",
    "ElectricDistributionBoard": "Breaker_Panel",
    "ElectricDistributionBoard.SWITCHBOARD": "Switchgear",
    "ElectricDistributionPoint": "Breaker_Panel",
    "ElectricFlowStorageDevice": "Energy_Storage",
    "ElectricFlowStorageDevice.BATTERY": "Battery",
    "ElectricFlowTreatmentDevice": "Electrical_Equipment",
    "ElectricGenerator": "Electrical_Equipment",
    "ElectricMotor": "Motor",
    "ElectricTimeControl": "Controller",
    "EnergyConversionDevice": "Equipment",
    "Engine": "Equipment",
    "EvaporativeCooler": "HVAC_Equipment",
    "Evaporator": "HVAC_Equipment",
    "Fan": "Fan",
    "Filter": "Filter",
    "FireSuppressionTerminal": "Fire_Safety_Equipment",
    "FlowController": "Equipment",
    "FlowInstrument": "Equipment",
    "FlowMeter": "Meter",
    "FlowMeter.ENERGYMETER": "Electrical_Meter",
    "FlowMeter.GASMETER": "Gas_Meter",
    "FlowMeter.WATERMETER": "Water_Meter",
    "FlowMovingDevice": "Equipment",
    "FlowStorageDevice": "Equipment",
    "FlowTerminal": "Equipment",
    "FlowTreatmentDevice": "Equipment",
    "GasTerminal": "Equipment",
    "HeatExchanger": "Heat_Exchanger",
    "Humidifier": "Humidifier",
    "Interceptor": "Equipment",
    "JunctionBox": "Electrical_Equipment",
    "Lamp": "Lighting_Equipment",
    "LightFixture": "Luminaire",
    "MedicalDevice": "Equipment",
    "MobileTelecommunicationsAppliance": "ICT_Equipment",
    "MotorConnection": "Motor",
    "Outlet": "Electrical_Equipment",
    "ProtectiveDevice": "Electrical_Equipment",
    "ProtectiveDeviceTrippingUnit": "Electrical_Equipment",
    "Pump": "Pump",
    "SanitaryTerminal": "Equipment",
    "Sensor": "Sensor_Equipment",
    "Sensor.SMOKESENSOR": "Smoke_Detector",
    "Sensor.FIRESENSOR": "Fire_Safety_Equipment",
    "ShadingDevice": "Shading_Equipment",
    "SolarDevice": "PV_Panel",
    "SolarDevice.SOLARCOLLECTOR": "Solar_Thermal_Collector",
    "SolarDevice.SOLARPANEL": "PV_Panel",
    "SpaceHeater": "Space_Heater",
    "SpaceHeater.RADIATOR": "Radiator",
    "StackTerminal": "Equipment",
    "SwitchingDevice": "Switch",
    "SwitchingDevice.SWITCHDISCONNECTOR": "Disconnect_Switch",
    "Tank": "Tank",
    "Tank.STORAGE": "Storage_Tank",
    "Transformer": "Transformer",
    "Transformer.INVERTER": "Inverter",
    "TransportElement": "Equipment",
    "TransportElement.ELEVATOR": "Elevator",
    "TubeBundle": "Heat_Exchanger",
    "UnitaryControlElement": "Controller",
    "UnitaryControlElement.ALARMPANEL": "Fire_Alarm_Control_Panel",
    "UnitaryControlElement.GASDETECTIONPANEL": "Fire_Safety_Equipment",
    "UnitaryControlElement.THERMOSTAT": "Thermostat",
    "UnitaryControlElement.WEATHERSTATION": "Weather_Station",
    "UnitaryEquipment": "HVAC_Equipment",
    "UnitaryEquipment.AIRHANDLER": "AHU",
    "UnitaryEquipment.ROOFTOPUNIT": "RTU",
    "UnitaryEquipment.SPLITSYSTEM": "HVAC_Equipment",
    "Valve": "Valve",
    "Valve.ISOLATING": "Isolation_Valve",
    "WasteTerminal": "Equipment",
}


def brick_class(row: Mapping[str, Any]) -> str:
    """Class of one row of elements.arrow; "" for what is no place and no equipment, as a wall."""
    if row["brick"]:
        return str(row["brick"])
    place = PLACES.get(row["type"])
    if place:
        return place
    predefined = str(row["predefined"]).upper()
    for name in (row["type_class"], row["type"]):
        plain = str(name).removeprefix("Ifc").removesuffix("Type")
        found = EQUIPMENT.get(f"{plain}.{predefined}") or EQUIPMENT.get(plain)
        if found:
            return found
    return ""
