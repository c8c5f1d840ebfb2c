import type { Point } from "../api/types";
import { t, type Key } from "../i18n";
import * as format from "../i18n/format";
import { placeName, placeOf, deviceName, pointName } from "../state/catalogue";
import { Icon } from "./icon";
import { Link } from "./link";

const HOW: Record<string, Key> = { ifc: "binding.ifc", config: "binding.config", rule: "binding.rule", space: "binding.space" };

/** Words for how a binding was found; a way the page does not know is shown as the twin calls it. */
export const howText = (how: string) => (HOW[how] ? t(HOW[how]) : how);

/** How each point came to its place, and how sure that is. */
export function Bindings({ points }: { points: readonly Point[] }) {
  return (
    <section class="panel">
      <h2>{t("binding.title")}</h2>
      <div class="table-frame">
        <table class="stacked">
          <thead>
            <tr>
              <th>{t("column.point")}</th>
              <th>{t("column.place")}</th>
              <th>{t("binding.how")}</th>
              <th class="numeric">{t("binding.confidence")}</th>
              <th>{t("binding.detail")}</th>
            </tr>
          </thead>
          <tbody>
            {points.map((point) => (
              <BindingRow key={point.id} point={point} />
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function BindingRow({ point }: { point: Point }) {
  const place = placeOf(point);
  return (
    <tr>
      <td data-label={t("column.point")}>
        <Link to={{ view: "point", id: point.id }}>{pointName(point)}</Link> <span class="muted">{deviceName(point)}</span>
      </td>
      <td data-label={t("column.place")}>{place ? <Link to={{ view: "place", id: place.node.id }}>{placeName(place.node)}</Link> : "–"}</td>
      <td data-label={t("binding.how")}>
        {point.binding ? (
          howText(point.binding.how)
        ) : (
          <span class="condition" data-condition="unbound">
            <Icon name="unbound" size={14} />
            {t("condition.unbound")}
          </span>
        )}
      </td>
      <td class="numeric num" data-label={t("binding.confidence")}>
        {point.binding ? format.percent(point.binding.confidence) : "–"}
      </td>
      <td data-label={t("binding.detail")} class="muted">
        {point.binding?.detail || "–"}
      </td>
    </tr>
  );
}
