import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { fill, type Catalogue } from "../src/i18n";
import en from "../src/i18n/en.json";
import sk from "../src/i18n/sk.json";
import zhTW from "../src/i18n/zh-TW.json";

const SOURCE = join(import.meta.dirname, "../src");
const catalogues: Record<string, Catalogue> = { en, "zh-TW": zhTW, sk };
const written = sources(SOURCE).map((path) => readFileSync(path, "utf8")).join("\n");
const looksLikeKey = /"([a-z]+\.[a-zA-Z0-9]+)"/g;
const families = new Set(Object.keys(en).map((key) => key.split(".")[0]));

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? sources(path) : /\.tsx?$/.test(entry.name) ? [path] : [];
  });
}

test("every language has every key and no other", () => {
  const keys = Object.keys(en).sort();
  for (const catalogue of Object.values(catalogues)) expect(Object.keys(catalogue).sort()).toEqual(keys);
});

test("every key that the page asks for exists", () => {
  const asked = [...written.matchAll(looksLikeKey)].map((match) => match[1]!).filter((key) => families.has(key.split(".")[0]));
  expect(asked.filter((key) => !(key in en))).toEqual([]);
});

test("every key that exists is asked for", () => {
  expect(Object.keys(en).filter((key) => !written.includes(`"${key}"`))).toEqual([]);
});

describe.each(Object.entries(catalogues))("%s", (language, catalogue) => {
  test("plural entries have each form that the language has", () => {
    const forms = new Intl.PluralRules(language).resolvedOptions().pluralCategories;
    for (const [key, entry] of Object.entries(catalogue)) {
      if (typeof entry === "object") expect([key, Object.keys(entry).sort()]).toEqual([key, [...forms].sort()]);
    }
  });

  test("placeholders are those of English", () => {
    const names = (entry: Catalogue[string] | undefined) =>
      [...new Set([...JSON.stringify(entry).matchAll(/\{(\w+)\}/g)].map((match) => match[1]!))].sort();
    for (const [key, entry] of Object.entries(catalogue)) expect([key, names(entry)]).toEqual([key, names((en as Catalogue)[key])]);
  });
});

test("Slovak counts in its four forms", () => {
  const plural = new Intl.PluralRules("sk");
  const of = (n: number) => fill(sk["count.points"], { n }, plural, "");
  expect([1, 3, 5].map(of)).toEqual(["1 bod", "3 body", "5 bodov"]);
});

test("a key without an entry shows itself, so that it is noticed", () => {
  expect(fill(undefined, {}, new Intl.PluralRules("en"), "no.such")).toBe("no.such");
});
