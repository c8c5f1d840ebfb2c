import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { t, type Key } from "../i18n";
import { LANGUAGE_NAMES, LANGUAGES } from "../i18n/languages";
import { site } from "../state/catalogue";
import { toggleKiosk } from "../state/kiosk";
import { language, theme, zoneChoice, type Theme, type ZoneChoice } from "../state/settings";
import { Icon } from "./icon";
import { lazyView } from "./lazy_view";

type DialogName = "help" | "settings" | "menu";
const Menu = lazyView(() => import("../access/menu"));
const shown = signal<DialogName | null>(null);

export const openDialog = (name: DialogName) => (shown.value = name);
export const dialogOpen = () => document.querySelector("dialog[open]") !== null;

export function Dialogs() {
  return shown.value === "help" ? <Help /> : shown.value === "settings" ? <SettingsDialog /> : shown.value === "menu" ? <Menu /> : null;
}

export const closeDialog = () => void (shown.value = null);

/** A window over the page that Escape, its cross or a click beside it closes. */
export function Dialog({ title, children, close = closeDialog, wide = false }: { title: string; children: ComponentChildren; close?: () => void; wide?: boolean }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} data-wide={wide || undefined} aria-label={title} onClose={close} onClick={(event) => event.target === dialog.current && close()}>
      <div class="dialog-body">
        <header>
          <h2>{title}</h2>
          <button type="button" class="icon-button" aria-label={t("action.close")} onClick={close}>
            <Icon name="close" />
          </button>
        </header>
        {children}
      </div>
    </dialog>
  );
}

const SHORTCUTS: [string[], Key][] = [
  [["/"], "help.search"],
  [["g", "o"], "help.overview"],
  [["a"], "help.alarms"],
  [["g", "b"], "help.browse"],
  [["g", "m"], "help.model"],
  [["g", "p"], "help.plan"],
  [["g", "w"], "help.map"],
  [["g", "s"], "help.schedule"],
  [["g", "f"], "help.flights"],
  [["g", "t"], "help.trends"],
  [["g", "n"], "help.nodes"],
  [["j", "k"], "help.rows"],
  [["↵"], "help.open"],
  [["␣"], "help.play"],
  [["←", "→"], "help.step"],
  [["⇧ ←", "⇧ →"], "help.stepBig"],
  [["[", "]"], "help.marks"],
  [["l"], "help.live"],
  [["−"], "help.zoomOut"],
  [["1", "6"], "help.colours"],
  [["f"], "help.fly"],
  [["⇧ K"], "help.kiosk"],
  [["?"], "help.help"],
];

function Help() {
  return (
    <Dialog title={t("help.title")}>
      <dl class="shortcuts">
        {SHORTCUTS.map(([keys, text]) => (
          <div key={text}>
            <dt>
              {keys.map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{t(text)}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}

const THEMES: [Theme, Key][] = [
  ["auto", "settings.themeAuto"],
  ["light", "settings.themeLight"],
  ["dark", "settings.themeDark"],
];

function SettingsDialog() {
  const zones: [ZoneChoice, string][] = [
    ["site", t("zone.site", { zone: site.value?.time_zone ?? "–" })],
    ["browser", t("zone.browser", { zone: Intl.DateTimeFormat().resolvedOptions().timeZone })],
  ];
  return (
    <Dialog title={t("settings.title")}>
      <Choice legend={t("settings.language")} name="language" value={language.value} options={LANGUAGES.map((one) => [one, LANGUAGE_NAMES[one]])} choose={(one) => (language.value = one)} />
      <Choice legend={t("settings.theme")} name="theme" value={theme.value} options={THEMES.map(([one, key]) => [one, t(key)])} choose={(one) => (theme.value = one)} />
      <Choice legend={t("settings.zone")} name="zone" value={zoneChoice.value} options={zones} choose={(one) => (zoneChoice.value = one)} />
      <button type="button" class="button" onClick={() => (closeDialog(), toggleKiosk())}>
        {t("help.kiosk")}
      </button>
      <p class="muted">{t("settings.version", { version: site.value?.version ?? "–" })}</p>
      <button type="button" class="button narrow-only" onClick={() => openDialog("help")}>
        {t("help.title")}
      </button>
    </Dialog>
  );
}

interface ChoiceProps<T extends string> {
  legend: string;
  name: string;
  value: T;
  options: readonly (readonly [T, string])[];
  choose: (value: T) => void;
}

function Choice<T extends string>({ legend, name, value, options, choose }: ChoiceProps<T>) {
  return (
    <fieldset>
      <legend>{legend}</legend>
      {options.map(([one, text]) => (
        <label key={one}>
          <input type="radio" name={name} checked={one === value} onChange={() => choose(one)} />
          <span lang={name === "language" ? one : undefined}>{text}</span>
        </label>
      ))}
    </fieldset>
  );
}
