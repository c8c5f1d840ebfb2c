/** Colours that carry a number or a state, told apart by people with any colour vision (cividis; Okabe and Ito). */

const CIVIDIS = [0x00224e, 0x123570, 0x3b496c, 0x575d6d, 0x707173, 0x8a8678, 0xa59c74, 0xc3b369, 0xe1cc55, 0xfee838] as const;

/** 0..1 along the scale as 0xrrggbb. */
export function ramp(share: number): number {
  const at = Math.min(1, Math.max(0, share)) * (CIVIDIS.length - 1);
  const low = Math.min(CIVIDIS.length - 2, Math.floor(at));
  return mix(CIVIDIS[low]!, CIVIDIS[low + 1]!, at - low);
}

export function mix(a: number, b: number, share: number): number {
  const part = (shift: number) => {
    const from = (a >> shift) & 255;
    return Math.round(from + (((b >> shift) & 255) - from) * share) << shift;
  };
  return part(16) | part(8) | part(0);
}

export const css = (rgb: number) => `#${rgb.toString(16).padStart(6, "0")}`;
/** A token's colour as a number. */
export const fromCss = (text: string) => parseInt(text.trim().slice(1), 16);

export const RAMP_CSS = `linear-gradient(to right, ${CIVIDIS.map(css).join(", ")})`;

/** Black or white, whichever is read better on a colour. */
export function inkOn(rgb: number): string {
  const part = (shift: number) => (((rgb >> shift) & 255) / 255) ** 2.2;
  return 0.2126 * part(16) + 0.7152 * part(8) + 0.0722 * part(0) > 0.3 ? "#000000" : "#ffffff";
}

/** Ends of a scale that people read: rounded outwards to a step of 1, 2 or 5. What hardly differs does not get all colours. */
export function niceRange(min: number, max: number): [number, number] {
  const middle = (min + max) / 2;
  const wide = Math.max(max - min, Math.abs(middle) * 0.02, 1e-6);
  const raw = 10 ** Math.floor(Math.log10(wide / 4));
  const step = [1, 2, 5, 10].map((n) => n * raw).find((s) => wide / s <= 8) ?? raw * 10;
  const low = Math.floor(Math.min(min, middle - wide / 2) / step + 1e-9) * step;
  const high = Math.ceil(Math.max(max, middle + wide / 2) / step - 1e-9) * step;
  return [tidy(low), tidy(high)];
}

const tidy = (v: number) => Number(v.toPrecision(10));
