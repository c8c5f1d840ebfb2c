import { computed, effect, signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import * as queries from "../api/queries";
import type { ElementRow, TreeNode } from "../api/types";
import { t } from "../i18n";
import { loadCatalogue, loadProblem, points, tree } from "../state/catalogue";
import { go, route } from "../state/route";
import { Icon } from "./icon";
import { Empty, Failed, Skeleton } from "./notice";
import { TreeList } from "./tree_list";
import { deviceRows, foundRows, spaceRows } from "./tree_rows";

type Tab = "spaces" | "devices";
const OPEN_AT_FIRST_MAX = 60;

const tab = signal<Tab>("spaces");
const text = signal("");
const open = signal<ReadonlySet<string>>(new Set());
const elements = signal<readonly ElementRow[]>([]);
const ELEMENTS_MAX = 100;
const ASKED_CHARS_MIN = 2;
const ASK_AFTER_MS = 200;
let openedFirst = false;

const listing = computed(() => {
  const known = tree.value;
  if (!known) return null;
  if (text.value.trim()) return foundRows(known, points.value, text.value, elements.value);
  const rows = tab.value === "spaces" ? spaceRows(known, points.value, open.value) : deviceRows(known, points.value, open.value);
  return { rows, more: 0 };
});

/** What the tree leaves out (doors, pumps, ducts without points) is asked of the twin while a person types. */
effect(() => {
  const wanted = text.value.trim();
  elements.value = [];
  if (wanted.length < ASKED_CHARS_MIN) return;
  const abort = new AbortController();
  const timer = setTimeout(() => {
    queries.elements(wanted, ELEMENTS_MAX, abort.signal).then(
      (page) => void (abort.signal.aborted || (elements.value = page.items)),
      () => undefined, // the search of what is known stands
    );
  }, ASK_AFTER_MS);
  return () => {
    clearTimeout(timer);
    abort.abort();
  };
});

effect(() => {
  if (!tree.value || openedFirst) return;
  tab.value = tree.value.roots.length ? "spaces" : "devices";
  openedFirst = tree.value.roots.length > 0; // a model may still come
  open.value = firstOpen(tree.value.roots, tree.value.devices.map((one) => one.node));
});

/** Open from the top, level by level, as long as the list stays within what the eye takes in. */
function firstOpen(roots: readonly TreeNode[], nodes: readonly string[]): Set<string> {
  const found = new Set(nodes.map((node) => `node ${node}`));
  let level: readonly TreeNode[] = roots;
  let rows = roots.length;
  while (level.length) {
    const next = level.flatMap((node) => node.children);
    rows += next.length + level.reduce((sum, node) => sum + node.points.length, 0);
    if (rows > OPEN_AT_FIRST_MAX) break;
    for (const node of level) found.add(node.id);
    level = next;
  }
  return found;
}

export function toggleOpen(key: string, to?: boolean): void {
  const next = new Set(open.value);
  if (to ?? !next.has(key)) next.add(key);
  else next.delete(key);
  open.value = next;
}

/** What exists, by place or by device, with live values; and the search over all of it. */
export function Browse() {
  return (
    <div class="browse">
      <SearchField />
      <div class="tabs" role="tablist" aria-label={t("browse.by")}>
        <TabButton name="spaces" />
        <TabButton name="devices" />
      </div>
      <div class="browse-list" id="browse-list" role="tabpanel" aria-label={t(tab.value === "spaces" ? "browse.spaces" : "browse.devices")}>
        <Listing />
      </div>
    </div>
  );
}

function Listing() {
  const found = listing.value;
  if (!found) return loadProblem.value ? <Failed problem={loadProblem.value} retry={() => void loadCatalogue()} /> : <Skeleton rows={10} />;
  if (!found.rows.length) {
    if (text.value.trim())
      return (
        <Empty icon="search" title={t("search.nothing", { text: text.value })}>
          {t("search.nothingFix")}
        </Empty>
      );
    return (
      <Empty icon={tab.value === "spaces" ? "building" : "device"} title={t(tab.value === "spaces" ? "browse.noModel" : "browse.noDevices")}>
        {t(tab.value === "spaces" ? "browse.noModelFix" : "browse.noDevicesFix")}
      </Empty>
    );
  }
  return (
    <>
      <TreeList rows={found.rows} onToggle={toggleOpen} />
      {found.more > 0 && <p class="muted more">{t("search.more", { n: found.more })}</p>}
    </>
  );
}

function SearchField() {
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const focus = () => input.current?.select();
    addEventListener("aid4:search", focus);
    return () => removeEventListener("aid4:search", focus);
  }, []);
  return (
    <div class="field search">
      <Icon name="search" />
      <input
        ref={input}
        type="search"
        aria-label={t("search.label")}
        placeholder={t("search.label")}
        value={text.value}
        onInput={(event) => (text.value = event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === "Escape") {
            text.value = "";
            event.currentTarget.blur();
          }
          const first = listing.value?.rows[0];
          if (event.key === "Enter" && text.value.trim() && first) go(first.to);
          if (event.key === "ArrowDown") {
            event.preventDefault();
            document.querySelector<HTMLElement>(".tree")?.focus();
          }
        }}
      />
      <kbd class="wide-only">/</kbd>
    </div>
  );
}

function TabButton({ name }: { name: Tab }) {
  return (
    <button type="button" role="tab" aria-selected={tab.value === name} aria-controls="browse-list" onClick={() => ((tab.value = name), (text.value = ""))}>
      {t(name === "spaces" ? "browse.spaces" : "browse.devices")}
    </button>
  );
}

/** Back to the whole tree. */
export const endSearch = () => void (text.value = "");

/** `/` from anywhere: the search field, on a phone by way of the browse view. */
export function startSearch(): void {
  const hidden = matchMedia("(max-width: 899px)").matches && route.value.view !== "browse";
  if (hidden) go({ view: "browse" });
  const focus = () => dispatchEvent(new Event("aid4:search"));
  if (hidden) setTimeout(focus, 80);
  else focus();
}
