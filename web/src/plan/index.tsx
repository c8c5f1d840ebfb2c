import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { TileSet } from "../api/model_types";
import { BuildingNote } from "../components/building_note";
import { ElementPanel } from "../components/element_panel";
import { Icon } from "../components/icon";
import { Empty, Failed, Skeleton } from "../components/notice";
import { SceneBar } from "../components/scene_bar";
import { t } from "../i18n";
import { places } from "../state/catalogue";
import { highlight } from "../state/highlight";
import { go, route, scene, setScene } from "../state/route";
import { askTiles, followTiles, siteSheets, tiles } from "../state/tiles";
import "../styles/model.css";
import "../styles/plan.css";
import { Basemap } from "./basemap";
import { MapFlights } from "./flights";
import { followGestures, sheetKeys } from "./gestures";
import { Labels } from "./labels";
import { SheetLegend } from "./legend";
import { mark } from "./paint";
import { Sheet } from "./sheet";
import { SiteMarks } from "./site_marks";
import { useSheetColours } from "./use_colours";

/** One storey as a drawing: rooms coloured by a quantity, sensors where they are, everything one click from its faceplate. */
export default function PlanView() {
  useEffect(followTiles, []);
  const now = tiles.value;
  if (now.phase === "none" || (now.phase === "ready" && !now.set.plans.length))
    return (
      <Empty icon="storey" title={t("sheet.none")}>
        {t("sheet.noneFix")}
      </Empty>
    );
  if (now.phase === "failed") return <Failed problem={now.problem} retry={() => void askTiles()} />;
  if (now.phase !== "ready") return <BuildingNote share={now.phase === "building" ? now.share : null} />;
  const [whole] = siteSheets(now.set);
  if (route.value.view !== "map") return <Drawn set={now.set} base={now.base} site={null} />;
  if (whole) return <Drawn set={now.set} base={now.base} site={whole} />;
  return (
    <Empty icon="map" title={t("map.none")}>
      {t("map.noneFix")}
    </Empty>
  );
}

/** A storey's drawing; with `site` the one of the whole site. */
function Drawn({ set, base, site }: { set: TileSet; base: string; site: TileSet["plans"][number] | null }) {
  const storeys = useMemo(() => drawn(set), [set]);
  const { element, shade, of } = scene.value;
  const home = element ? places.value.get(element)?.parents.find((one) => one.type === "IfcBuildingStorey")?.id : undefined;
  const wanted = [scene.value.storey, home, ground(storeys)].find((id) => storeys.some((one) => one.global_id === id));
  const plan = site ?? set.plans.find((one) => one.storey === wanted) ?? set.plans[0]!;
  const name = site ? t("map.label") : t("sheet.label", { name: storeys.find((one) => one.global_id === plan.storey)?.name ?? "" });
  const host = useRef<HTMLDivElement>(null);
  const [sheet, setSheet] = useState<Sheet | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [flags, setFlags] = useState(true);
  useEffect(() => lay(base + plan.file, host.current!, setSheet, setProblem), [base, plan.file]);
  const toStorey = (by: 1 | -1) => {
    const at = storeys.findIndex((one) => one.global_id === plan.storey);
    const next = storeys[at + by];
    if (next) setScene({ storey: next.global_id });
  };
  return (
    <div class="stage-frame">
      <div class="sheet-area">
        <div
          class="sheet"
          ref={host}
          tabIndex={0}
          role="application"
          aria-label={name}
          data-site={site ? true : undefined}
          onKeyDown={(event) => sheet && sheetKeys(sheet, event, toStorey)}
        />
        {sheet && site && <Basemap key={`tiles ${plan.file}`} sheet={sheet} set={set} />}
        {sheet && site && <SiteMarks key={plan.file} sheet={sheet} set={set} />}
        {sheet && site && <MapFlights key={`flights ${plan.file}`} sheet={sheet} set={set} />}
        {sheet && <Labels key={plan.file} sheet={sheet} of={shade === "value" ? of : null} flags={flags} />}
      </div>
      {!sheet && !problem && <Skeleton rows={6} />}
      {problem && <p class="stage-note" role="alert">{t("model.loadFailed", { text: problem })}</p>}
      <SceneBar storeys={site ? [] : storeys} shown={plan.storey} all={false}>
        <Tool icon="flags" text={t("model.flags")} on={flags} press={() => setFlags(!flags)} />
        <Tool icon="home" text={t("sheet.fit")} press={() => sheet?.fit()} />
      </SceneBar>
      {sheet && <Overlay key={plan.file} sheet={sheet} />}
      {element && (
        <ElementPanel id={element} close={() => setScene({ element: null })}>
          <button type="button" class="button" onClick={() => go({ view: "model", ...scene.value })}>
            <Icon name="model" />
            {t("element.show")}
          </button>
        </ElementPanel>
      )}
    </div>
  );
}

function Overlay({ sheet }: { sheet: Sheet }) {
  const { element } = scene.value;
  const legend = useSheetColours(sheet);
  const { ids } = highlight.value;
  useEffect(() => mark(sheet, element, new Set(ids)), [sheet, element, ids]);
  useEffect(() => {
    const escape = (event: KeyboardEvent) => event.key === "Escape" && !document.querySelector("dialog[open]") && setScene({ element: null });
    addEventListener("keydown", escape);
    return () => removeEventListener("keydown", escape);
  }, []);
  useEffect(() => {
    const stop = followGestures(sheet);
    const watch = new ResizeObserver(() => sheet.resized());
    watch.observe(sheet.host);
    return () => (stop(), watch.disconnect());
  }, [sheet]);
  return <SheetLegend legend={legend} />;
}

function Tool({ icon, text, on, press }: { icon: "flags" | "home"; text: string; on?: boolean; press: () => void }) {
  return (
    <button type="button" class="icon-button" aria-label={text} title={text} {...(on === undefined ? {} : { "aria-pressed": on })} onClick={press}>
      <Icon name={icon} />
    </button>
  );
}

/** Fetch one drawing and lay it out; what takes it away again. */
function lay(url: string, host: HTMLElement, setSheet: (sheet: Sheet | null) => void, setProblem: (text: string | null) => void): () => void {
  const abort = new AbortController();
  setProblem(null);
  const load = async () => {
    const response = await fetch(url, { signal: abort.signal });
    if (!response.ok) throw new Error(`${url}: ${response.status}`);
    const sheet = Sheet.lay(host, await response.text());
    if (!sheet) throw new Error(url);
    setSheet(sheet);
  };
  load().catch((error: unknown) => abort.signal.aborted || setProblem(String(error)));
  return () => {
    abort.abort();
    setSheet(null);
  };
}

/** The storeys that have a drawing, the lowest first. */
function drawn({ storeys, plans }: TileSet) {
  const there = new Set(plans.map((plan) => plan.storey));
  return storeys.filter((one) => there.has(one.global_id)).sort((a, b) => a.elevation_m - b.elevation_m);
}

/** The storey that people enter: the lowest one at or above the ground that has rooms, else the lowest. */
function ground(storeys: ReturnType<typeof drawn>): string | undefined {
  const entered = storeys.filter((one) => places.peek().get(one.global_id)?.node.children.some((child) => child.type === "IfcSpace"));
  return (entered.find((one) => one.elevation_m > -1) ?? entered[0] ?? storeys[0])?.global_id;
}
