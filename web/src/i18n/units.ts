/** UCUM codes as people write them. A code that is not here is shown as it is. */
const SYMBOLS: Record<string, string> = {
  "1": "",
  Cel: "°C",
  "[degF]": "°F",
  K: "K",
  deg: "°",
  Ohm: "Ω",
  um: "µm",
  us: "µs",
  "[ppm]": "ppm",
  "[ppb]": "ppb",
  "[pH]": "pH",
  "{rpm}": "rpm",
  "/min": "1/min",
  "[in_i]": "in",
  "[psi]": "psi",
  "[in_i'H2O]": "inH₂O",
  "[ft_i]": "ft",
  "[cft_i]/min": "ft³/min",
  "dB[W]": "dBW",
  kat: "kat",
};

/** `"kW.h"` → `"kWh"`, `"m3/h"` → `"m³/h"`, `"W/m2"` → `"W/m²"`. */
export function unitText(ucum: string): string {
  const known = SYMBOLS[ucum];
  if (known !== undefined) return known;
  return ucum
    .replace(/^\{(.*)\}$/, "$1")
    .replace(/\bCel\b/g, "°C")
    .replace(/\bu(?=[gmsAVL]\b)/g, "µ")
    .replace(/([A-Za-zµ])2\b/g, "$1²")
    .replace(/([A-Za-zµ])3\b/g, "$1³")
    .replace(/\b(k|M|G)?(W|VA|A|var)\.h\b/g, "$1$2h")
    .replace(/\./g, "·");
}
