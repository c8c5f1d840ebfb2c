import { effect } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { BuildingNote } from "../components/building_note";
import { ElementPanel } from "../components/element_panel";
import { Icon } from "../components/icon";
import { Empty, Failed } from "../components/notice";
import { SceneBar } from "../components/scene_bar";
import { t } from "../i18n";
import { highlight } from "../state/highlight";
import { scans } from "../state/flights";
import { scene, setScene } from "../state/route";
import { hasPlan } from "../state/schedule";
import { theme } from "../state/settings";
import { askTiles, followTiles, tiles } from "../state/tiles";
import "../styles/drones.css";
import "../styles/model.css";

import { Flights } from "./flights";
import { followModelKeys } from "./keys";
import { Legend } from "./legend";
import { Markers } from "./markers";
import { MeasureLabel, useMeasure } from "./measure";
import { paintsOf } from "./painter";
import { ParkModel, type Section } from "./park_model";
import { followPointer } from "./pointer";
import { SectionControl } from "./section_control";
import { Swipe } from "./swipe";
import { useShading } from "./use_shading";

type Phase = { phase: "opening"; done: number; of: number } | { phase: "open" } | { phase: "failed"; text: string } | { phase: "no graphics" };

/** The park in 3D: every element of the model, coloured by what is asked, at the instant of the time control. */
export default function ModelView() {
  useEffect(followTiles, []);
  const now = tiles.value;
  if (now.phase === "none")
    return (
      <Empty icon="model" title={t("model.none")}>
        {t("model.noneFix")}
      </Empty>
    );
  if (now.phase === "failed") return <Failed problem={now.problem} retry={() => void askTiles()} />;
  if (now.phase !== "ready") return <BuildingNote share={now.phase === "building" ? now.share : null} />;
  return <Opened key={now.set.sha256} />;
}

function Opened() {
  const host = useRef<HTMLDivElement>(null);
  const [model, setModel] = useState<ParkModel | null>(null);
  const [phase, setPhase] = useState<Phase>({ phase: "opening", done: 0, of: 0 });
  const [lost, setLost] = useState(false);
  useEffect(() => open(host.current!, setModel, setPhase, setLost), []);
  if (phase.phase === "no graphics")
    return (
      <Empty icon="model" title={t("model.noGraphics")}>
        {t("model.noGraphicsFix")}
      </Empty>
    );
  return (
    <div class="stage-frame">
      <div class="stage" ref={host} data-phase={phase.phase} data-lost={lost || undefined} />
      {model && <Overlay model={model} />}
      {phase.phase === "opening" && phase.of > 0 && <Progress done={phase.done} of={phase.of} />}
      {phase.phase === "failed" && <p class="stage-note" role="alert">{t("model.loadFailed", { text: phase.text })}</p>}
      {lost && <p class="stage-note" role="status">{t("model.lost")}</p>}
    </div>
  );
}

function Progress({ done, of }: { done: number; of: number }) {
  return (
    <p class="stage-note" role="status">
      <progress max={of} value={done} aria-label={t("state.loading")} /> {t("model.loading", { done, of })}
    </p>
  );
}

/** Bring the model up on a host; what takes it down again. */
function open(host: HTMLElement, setModel: (model: ParkModel | null) => void, setPhase: (phase: Phase) => void, setLost: (lost: boolean) => void): () => void {
  const now = tiles.peek();
  if (now.phase !== "ready") return () => {};
  const abort = new AbortController();
  let model: ParkModel | null = null;
  let stopTheme = () => {};
  const of = now.set.tiles.length;
  const start = async () => {
    if (!document.createElement("canvas").getContext("webgl2")) return setPhase({ phase: "no graphics" });
    setPhase({ phase: "opening", done: 0, of });
    model = await ParkModel.open(host, now.set, now.base, abort.signal);
    const opened = model;
    stopTheme = followTheme(host, () => opened.wear(paintsOf(host)));
    opened.stage.onGraphics = (state) => {
      setLost(state === "lost");
      if (state === "ready") opened.renew();
    };
    setModel(opened);
    await opened.load(now.base, abort.signal, (done) => setPhase({ phase: "opening", done, of }));
    setPhase({ phase: "open" });
  };
  start().catch((error: unknown) => abort.signal.aborted || setPhase({ phase: "failed", text: String(error) }));
  return () => {
    abort.abort();
    stopTheme();
    model?.dispose();
  };
}

function followTheme(host: HTMLElement, wear: () => void): () => void {
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  const again = () => requestAnimationFrame(() => host.isConnected && wear());
  scheme.addEventListener("change", again);
  const stop = effect(() => {
    theme.value;
    again();
  });
  wear();
  return () => {
    stop();
    scheme.removeEventListener("change", again);
  };
}

/** On a phone the faceplate takes the lower part, see .element-panel. */
const PANEL_SHARE = 0.58;

/** What lies over the picture, and what the picture follows. */
function Overlay({ model }: { model: ParkModel }) {
  const { element, shade, of, storey } = scene.value;
  const [section, setSection] = useState<Section | null>(null);
  const [flags, setFlags] = useState(true);
  const [swipe, setSwipe] = useState(false);
  const measure = useMeasure(model);
  const legend = useShading(model);
  const { ids } = highlight.value;
  // before the next press or click: a slow frame must not leave them with the tool of before
  useLayoutEffect(() => model.isolate(storey), [model, storey, model.tiles.length]);
  useLayoutEffect(() => model.cut(section), [model, section]);
  useEffect(() => {
    model.select(element);
    const panel = element ? document.querySelector<HTMLElement>(".element-panel") : null;
    const low = matchMedia("(max-width: 899px)").matches;
    model.stage.cover(panel && !low ? panel.offsetWidth : 0, panel && low ? model.stage.host.clientHeight * PANEL_SHARE : 0);
    if (element) model.flyTo([element]);
  }, [model, element]);
  useEffect(() => {
    if (model.highlight(ids)) model.flyTo(ids);
  }, [model, ids]);
  useLayoutEffect(() => followPointer(model, measure), [model, measure.on]);
  useLayoutEffect(() => followModelKeys(model, measure), [model, measure.on]);
  return (
    <>
      <SceneBar storeys={model.set.storeys}>
        <ToolButton name="section" on={section !== null} toggle={() => setSection(section ? null : { axis: "up", share: 0.5, flipped: false })} />
        {(hasPlan.value || scans.value.length > 0) && <ToolButton name="swipe" on={swipe} toggle={() => setSwipe(!swipe)} />}
        <ToolButton name="measure" on={measure.on} toggle={measure.toggle} />
        <ToolButton name="flags" on={flags} toggle={() => setFlags(!flags)} />
        <ToolButton name="home" on={null} toggle={() => model.home()} />
      </SceneBar>
      {section && <SectionControl model={model} section={section} change={setSection} />}
      {flags && <Markers model={model} of={shade === "value" ? of : null} storey={storey} />}
      <Flights model={model} />
      {swipe && <Swipe key={shade === "verdict" || shade === "deviation" ? shade : "plan"} model={model} close={() => setSwipe(false)} />}
      <MeasureLabel measure={measure} />
      <Legend legend={legend} />
      {element && (
        <ElementPanel id={element} close={() => setScene({ element: null })}>
          <button type="button" class="button" onClick={() => model.flyTo([element])} title="F">
            <Icon name="target" />
            {t("element.fly")}
          </button>
        </ElementPanel>
      )}
    </>
  );
}

const TOOL_TEXT = { swipe: "swipe.title", section: "model.section", measure: "model.measure", flags: "model.flags", home: "model.home" } as const;

function ToolButton({ name, on, toggle }: { name: keyof typeof TOOL_TEXT; on: boolean | null; toggle: () => void }) {
  const text = t(TOOL_TEXT[name]);
  return (
    <button type="button" class="icon-button" aria-label={text} title={text} {...(on === null ? {} : { "aria-pressed": on })} onClick={toggle}>
      <Icon name={name} />
    </button>
  );
}
