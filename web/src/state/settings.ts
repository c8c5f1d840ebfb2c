import { effect, signal } from "@preact/signals";
import { LANGUAGES, type Language } from "../i18n/languages";

export type Theme = "auto" | "light" | "dark";
export type ZoneChoice = "site" | "browser";

interface Settings {
  language: Language;
  theme: Theme;
  zone: ZoneChoice;
}

const KEY = "aid4.settings";

const stored = read();
export const language = signal<Language>(stored.language);
export const theme = signal<Theme>(stored.theme);
export const zoneChoice = signal<ZoneChoice>(stored.zone);

/** Keep the choices in this browser and on the document. */
export function keepSettings(): void {
  effect(() => {
    const now: Settings = { language: language.value, theme: theme.value, zone: zoneChoice.value };
    document.documentElement.lang = now.language;
    if (now.theme === "auto") delete document.documentElement.dataset["theme"];
    else document.documentElement.dataset["theme"] = now.theme;
    try {
      localStorage.setItem(KEY, JSON.stringify(now));
    } catch {
      // private mode: the choice lasts as long as the page
    }
  });
}

function read(): Settings {
  let found: Partial<Settings> = {};
  try {
    found = JSON.parse(localStorage.getItem(KEY) ?? "{}") as Partial<Settings>;
  } catch {
    // storage is blocked or damaged: defaults
  }
  return {
    language: LANGUAGES.find((known) => known === found.language) ?? preferred(),
    theme: found.theme === "light" || found.theme === "dark" ? found.theme : "auto",
    zone: found.zone === "browser" ? "browser" : "site",
  };
}

function preferred(): Language {
  const asked = typeof navigator === "undefined" ? [] : navigator.languages;
  for (const tag of asked) {
    const short = tag.toLowerCase();
    if (short.startsWith("zh")) return "zh-TW";
    if (short.startsWith("sk") || short.startsWith("cs")) return "sk";
    if (short.startsWith("en")) return "en";
  }
  return "en";
}
