import { useComputed } from "@preact/signals";
import { useMemo } from "preact/hooks";
import type { Point, TreeNode } from "../api/types";
import { t } from "../i18n";
import * as format from "../i18n/format";
import { unitText } from "../i18n/units";
import { placeName, pointName, points } from "../state/catalogue";
import { conditionOf, QUALITY } from "../state/condition";
import type { Finding } from "../state/findings";
import { headlines } from "../state/headlines";
import { useInterest } from "../state/interest";
import { at, live } from "../state/time";
import { cell } from "../state/values";
import { ConditionMark } from "./condition_mark";
import { Icon, typeIcon } from "./icon";
import { Link } from "./link";

/** A place as a card: its name, up to three live values, and the worst that is wrong there. */
export function PlaceCard({ node, found = [] }: { node: TreeNode; found?: readonly Finding[] }) {
  const known = points.value;
  const shown = useMemo(() => headlines(node, known), [node, known]);
  useInterest(shown.map((point) => point.id));
  const historical = shown.some((point) => ((cell(point.id).value?.q ?? 0) & QUALITY.historical) !== 0);
  const worst = found[0];
  return (
    <li>
      <Link to={{ view: "place", id: node.id }} class="card">
        <span class="card-name">
          <Icon name={typeIcon(node.type)} size={14} />
          <span>{placeName(node)}</span>
        </span>
        <span class="card-values">
          {shown.map((point) => (
            <Headline key={point.id} point={point} />
          ))}
        </span>
        {historical && !worst && live.value && <span class="card-state muted">{t("remark.historical")}</span>}
        {worst && (
          <span class="card-state">
            <ConditionMark condition={worst.condition} />
            {found.length > 1 && <span class="count num">{found.length}</span>}
          </span>
        )}
      </Link>
    </li>
  );
}

/** 21 °C needs no name; a bare 7 does. */
const saysItself = ({ unit, point_class }: Point) => (unit !== "" && unit !== "1") || point_class === "occupancy";

function Headline({ point }: { point: Point }) {
  const source = cell(point.id);
  const condition = useComputed(() => conditionOf(point, source.value, at.value)).value;
  return (
    <span class="headline" data-condition={condition} title={pointName(point)}>
      <span class={saysItself(point) ? "visually-hidden" : "headline-name"}>{pointName(point)} </span>
      {condition !== "ok" && <ConditionMark condition={condition} compact />}
      {point.point_class === "occupancy" && <Icon name="people" size={13} />}
      <span class="num">{format.brief(source.value?.v ?? null)}</span>
      <span class="unit">{unitText(point.unit)}</span>
    </span>
  );
}
