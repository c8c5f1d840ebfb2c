import { mix } from "../state/palette";

/** Calm tones by IFC class, light to dark as in a shaded section drawing. A class not named here is in between. */
const TONES: [RegExp, number][] = [
  [/^IfcSpace$/, 0.5],
  [/^Ifc(Slab|Roof|Footing|Pile|Foundation)/, 0.62],
  [/^Ifc(Wall|CurtainWall)/, 0.86],
  [/^Ifc(Column|Beam|Member|Plate)/, 0.52],
  [/^Ifc(Door)/, 0.44],
  [/^Ifc(Window)/, 0.7],
  [/^Ifc(Stair|Ramp|Railing)/, 0.58],
  [/^Ifc(Furniture|Furnishing|SystemFurniture)/, 0.66],
  [/^Ifc(GeographicElement|Site|CivilElement|Pavement|Course|Earthworks|Road|Kerb)/, 0.76],
  [/^Ifc(Duct|Pipe|Cable|Flow|Distribution|Energy|Unitary|Air|Pump|Fan|Boiler|Chiller|Solar|Electric|Sensor|Actuator|Controller|Light|Outlet|Junction|Protective|Transport|Building.*Proxy)/, 0.4],
];
const TONE_USUAL = 0.7;
/** How much of the material's own colour shows through. */
const TINT = 0.22;

/** The calm colour of a feature between a theme's darkest and lightest building tone. */
export function calm(type: string, material: number, dark: number, light: number): number {
  const tone = TONES.find(([pattern]) => pattern.test(type))?.[1] ?? TONE_USUAL;
  return mix(mix(dark, light, tone), material >>> 8, TINT);
}

export const isSpace = (type: string) => type === "IfcSpace" || type === "IfcSpatialZone" || type === "IfcZone";
/** What stands in the way of seeing, and is shown only when it was asked for. */
export const isHelper = (type: string) => /^Ifc(OpeningElement|Grid|Annotation|VirtualElement|SpatialZone)/.test(type);
