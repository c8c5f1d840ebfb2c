import { t, type Key } from ".";

const TEXT: Record<string, Key> = {
  co2: "class.co2",
  humidity: "class.humidity",
  irradiance: "class.irradiance",
  load: "class.load",
  occupancy: "class.occupancy",
  power: "class.power",
  temperature: "class.temperature",
  vibration: "class.vibration",
};

/** A point class as people say it; one without a word of its own as it is written. */
export const className = (of: string) => (TEXT[of] ? t(TEXT[of]) : of.replaceAll("_", " "));
