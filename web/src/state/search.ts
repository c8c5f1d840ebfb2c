/** Search that people expect: every word somewhere, case and accents ignored. */
export function words(text: string): string[] {
  return fold(text).split(/\s+/).filter(Boolean);
}

export function matches(wanted: readonly string[], ...texts: (string | null | undefined)[]): boolean {
  if (!wanted.length) return true;
  const hay = fold(texts.filter(Boolean).join(" "));
  return wanted.every((word) => hay.includes(word));
}

function fold(text: string): string {
  return text.normalize("NFD").replace(/\p{Diacritic}/gu, "").toLowerCase().replaceAll("_", " ");
}
