import { computed, effect } from "@preact/signals";
import { useEffect, useMemo, useState } from "preact/hooks";
import type { ScanRow } from "../api/drone_types";
import { Icon } from "../components/icon";
import { t } from "../i18n";
import * as format from "../i18n/format";
import { zone } from "../state/catalogue";
import { scans } from "../state/flights";
import { scene } from "../state/route";
import { horizon } from "../state/schedule";
import { at } from "../state/time";
import { judged } from "../state/verdicts";
import { fromLocalInput, toLocalInput } from "../state/zoned_input";
import { CloudLayer } from "./cloud_layer";
import { ColourTexture } from "./feature_textures";
import type { ParkModel } from "./park_model";
import { paintJudged } from "./use_verdicts";

const MONTH_MS = 30 * 86_400_000;
/** Less than a minute changes nothing that a plan says, and both halves are drawn anew for it. */
const SEEN_MS = 60_000;

/** Two pictures of the same model with a line between them: two dates of the plan, or two scans. */
export function Swipe({ model, close }: { model: ParkModel; close: () => void }) {
  const [share, setShare] = useState(0.5);
  const { shade } = scene.value;
  const byScan = shade === "verdict" || shade === "deviation";
  useEffect(() => {
    const { split } = model.stage;
    if (!split) return;
    split.share = share;
    model.stage.draw();
  }, [share]);
  return (
    <div class="swipe" role="group" aria-label={t("swipe.title")}>
      <div class="swipe-line" style={{ insetInlineStart: `${share * 100}%` }} aria-hidden="true">
        <Icon name="swipe" />
      </div>
      <input type="range" class="swipe-range" data-roomy min={0.02} max={0.98} step={0.01} value={share} aria-label={t("swipe.position")} aria-valuetext={format.percent(share)} onInput={(event) => setShare(Number(event.currentTarget.value))} />
      {byScan ? <Scans model={model} by={shade} share={share} /> : <Dates model={model} share={share} />}
      <button type="button" class="icon-button swipe-close" aria-label={t("action.close")} onClick={close}>
        <Icon name="close" />
      </button>
    </div>
  );
}

/** The plan on a chosen day on the left, at the instant of the time control on the right. */
function Dates({ model, share }: { model: ParkModel; share: number }) {
  const [left, setLeft] = useState(() => Math.max(horizon.peek()?.from ?? -Infinity, at.peek() - MONTH_MS));
  useEffect(() => {
    const { days, byPlan } = model.uniforms;
    const before = byPlan.value;
    model.stage.split = {
      share,
      side: (which) => {
        byPlan.value = 1;
        days.value = model.dates.days(which === "left" ? left : at.peek());
      },
    };
    const minute = computed(() => Math.floor(at.value / SEEN_MS));
    const stop = effect(() => (minute.value, model.stage.draw()));
    return () => {
      stop();
      model.stage.split = null;
      byPlan.value = before;
      days.value = model.dates.days(at.peek());
      model.stage.draw();
    };
  }, [model, left]);
  return (
    <>
      <label class="swipe-side" data-side="left">
        <span class="visually-hidden">{t("swipe.left")}</span>
        <input
          type="date"
          aria-label={t("swipe.day")}
          value={toLocalInput(left, zone.value).slice(0, 10)}
          onChange={(event) => {
            const ms = fromLocalInput(`${event.currentTarget.value}T12:00:00`, zone.value);
            if (ms !== null) setLeft(ms);
          }}
        />
      </label>
      <p class="swipe-side" data-side="right">
        <span class="muted">{t("swipe.shown")}</span> <span class="num">{format.day(at.value, zone.value)}</span>
      </p>
    </>
  );
}

/** Two scans: their verdicts or deviations as colours, and their points. */
function Scans({ model, by, share }: { model: ParkModel; by: "verdict" | "deviation"; share: number }) {
  const known = [...scans.value].sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
  const newest = scene.value.scan ?? known.at(-1)?.id ?? null;
  const [right, setRight] = useState(newest);
  const [left, setLeft] = useState(known.filter((one) => one.id !== newest).at(-1)?.id ?? newest);
  const sides = useMemo(() => ({ left: new Side(model), right: new Side(model) }), [model]);
  useEffect(() => {
    const own = model.uniforms.colours.value;
    model.stage.split = {
      share,
      side: (which) => {
        model.uniforms.colours.value = sides[which].colours.texture;
        sides.left.cloud.group.visible = which === "left";
        sides.right.cloud.group.visible = which === "right";
      },
    };
    model.stage.draw();
    return () => {
      model.stage.split = null;
      model.uniforms.colours.value = own;
      sides.left.dispose();
      sides.right.dispose();
      model.stage.draw();
    };
  }, [sides]);
  useEffect(() => sides.left.show(left, by), [sides, left, by]);
  useEffect(() => sides.right.show(right, by), [sides, right, by]);
  return (
    <>
      <ScanSelect side="left" known={known} value={left} choose={setLeft} />
      <ScanSelect side="right" known={known} value={right} choose={setRight} />
    </>
  );
}

function ScanSelect({ side, known, value, choose }: { side: "left" | "right"; known: readonly ScanRow[]; value: string | null; choose: (id: string) => void }) {
  return (
    <label class="swipe-side" data-side={side}>
      <Icon name="scan" size={14} />
      <select aria-label={t(side === "left" ? "swipe.left" : "swipe.right")} value={value ?? ""} onChange={(event) => choose(event.currentTarget.value)}>
        {known.map((one) => (
          <option key={one.id} value={one.id}>
            {format.shortMoment(Date.parse(one.at), zone.value)}
            {one.name ? ` · ${one.name}` : ""}
          </option>
        ))}
      </select>
    </label>
  );
}

/** One half: the colours of one scan and its points. */
class Side {
  readonly colours: ColourTexture;
  cloud: CloudLayer;

  constructor(private readonly model: ParkModel) {
    this.colours = new ColourTexture(model.features.count);
    this.cloud = new CloudLayer(model);
  }

  /** Show a scan until the returned function is called. */
  show(scan: string | null, by: "verdict" | "deviation"): () => void {
    const abort = new AbortController();
    const load = async () => {
      const found = await judged(scan, null, abort.signal);
      if (abort.signal.aborted) return;
      paintJudged(this.model, this.colours, by, found);
      this.colours.flush();
      this.model.stage.draw();
      if (scan) await this.cloud.load(scan, abort.signal, () => undefined);
    };
    load().catch(() => undefined); // a half without a scan stays empty
    return () => {
      abort.abort();
      this.cloud.dispose();
      this.cloud = new CloudLayer(this.model);
    };
  }

  dispose(): void {
    this.cloud.dispose();
    this.colours.texture.dispose();
  }
}
