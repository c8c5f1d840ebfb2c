import { t } from "../i18n";
import * as format from "../i18n/format";

/** How long, how far: in the unit that people say it in. */
export const span = (seconds: number | null) => {
  if (seconds === null) return "–";
  const [minutes, rest] = [Math.floor(seconds / 60), Math.round(seconds % 60)];
  return seconds < 60 ? t("age.s", { n: Math.round(seconds) }) : `${minutes}:${String(rest).padStart(2, "0")} min`;
};
export const distance = (metres: number) => (metres < 1_000 ? `${format.number(metres)} m` : `${format.number(metres / 1_000, 2)} km`);
