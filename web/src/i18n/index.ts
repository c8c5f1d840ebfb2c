import { signal } from "@preact/signals";
import type en from "./en.json";
import type { Language } from "./languages";

type Plural = Partial<Record<Intl.LDMLPluralRule, string>>;
export type Catalogue = Record<string, string | Plural>;
export type Key = keyof typeof en;

const LOADERS: Record<Language, () => Promise<{ default: Catalogue }>> = {
  en: () => import("./en.json"),
  "zh-TW": () => import("./zh-TW.json"),
  sk: () => import("./sk.json"),
};

const current = signal<{ language: Language; catalogue: Catalogue; plural: Intl.PluralRules }>({
  language: "en",
  catalogue: {},
  plural: new Intl.PluralRules("en"),
});

/** The language whose catalogue is loaded; reading it in a component makes it follow the switch. */
export const shownLanguage = () => current.value.language;

/** Load a language and show it. */
export async function useCatalogue(language: Language): Promise<void> {
  const catalogue = (await LOADERS[language]()).default;
  current.value = { language, catalogue, plural: new Intl.PluralRules(language) };
}

/** The text of `key` with `{name}` filled in; `n` chooses the plural form. */
export function t(key: Key, values: Record<string, string | number> = {}): string {
  const { catalogue, plural } = current.value;
  return fill(catalogue[key], values, plural, key);
}

export function fill(entry: string | Plural | undefined, values: Record<string, string | number>, plural: Intl.PluralRules, key: string): string {
  let text = entry;
  if (typeof text === "object") text = text[plural.select(Number(values["n"] ?? 0))] ?? text.other;
  if (text === undefined) return key;
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = values[name];
    return value === undefined ? whole : typeof value === "number" ? value.toLocaleString(current.value.language) : value;
  });
}
