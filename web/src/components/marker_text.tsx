import { useComputed } from "@preact/signals";
import type { Point } from "../api/types";
import * as format from "../i18n/format";
import { unitText } from "../i18n/units";
import { conditionOf } from "../state/condition";
import { at } from "../state/time";
import { cell } from "../state/values";
import { ConditionMark } from "./condition_mark";
import { Icon } from "./icon";

/** A point's value as a flag on the model or the plan: condition as shape, number, unit. */
export function MarkerText({ point }: { point: Point }) {
  const source = cell(point.id);
  const condition = useComputed(() => conditionOf(point, source.value, at.value)).value;
  return (
    <span class="marker-text" data-condition={condition}>
      {condition !== "ok" && condition !== "silent" && <ConditionMark condition={condition} compact />}
      {point.point_class === "occupancy" && <Icon name="people" size={12} />}
      <span class="num">{format.brief(source.value?.v ?? null)}</span>
      {point.unit && <span class="unit">{unitText(point.unit)}</span>}
    </span>
  );
}
