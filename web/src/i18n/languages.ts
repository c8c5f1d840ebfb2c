/** Every language the page speaks, each named in itself. */
export const LANGUAGES = ["en", "zh-TW", "sk"] as const;
export type Language = (typeof LANGUAGES)[number];
export const LANGUAGE_NAMES: Record<Language, string> = { en: "English", "zh-TW": "繁體中文", sk: "Slovenčina" };
