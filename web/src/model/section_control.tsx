import { Icon } from "../components/icon";
import { t, type Key } from "../i18n";
import * as format from "../i18n/format";
import type { Axis, ParkModel, Section } from "./park_model";

const AXES: [Axis, Key][] = [
  ["up", "model.axisUp"],
  ["east", "model.axisEast"],
  ["north", "model.axisNorth"],
];

/** A plane through the model: which way it looks, where it stands, which side is cut away. */
export function SectionControl({ model, section, change }: { model: ParkModel; section: Section; change: (section: Section | null) => void }) {
  return (
    <div class="section-control" role="group" aria-label={t("model.section")}>
      <select aria-label={t("model.axis")} value={section.axis} onChange={(event) => change({ ...section, axis: event.currentTarget.value as Axis })}>
        {AXES.map(([axis, key]) => (
          <option key={axis} value={axis}>
            {t(key)}
          </option>
        ))}
      </select>
      <input
        type="range"
        min={0}
        max={1}
        step={0.005}
        value={section.share}
        aria-label={t("model.sectionAt")}
        aria-valuetext={`${format.number(model.cutAt(section), 1)} m`}
        onInput={(event) => change({ ...section, share: Number(event.currentTarget.value) })}
      />
      <output class="num">{format.number(model.cutAt(section), 1, 1)} m</output>
      <button type="button" class="icon-button" aria-label={t("model.flip")} title={t("model.flip")} aria-pressed={section.flipped} onClick={() => change({ ...section, flipped: !section.flipped })}>
        <Icon name="flip" />
      </button>
      <button type="button" class="icon-button" aria-label={t("action.close")} onClick={() => change(null)}>
        <Icon name="close" />
      </button>
    </div>
  );
}
