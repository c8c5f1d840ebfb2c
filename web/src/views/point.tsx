import { useMemo, useState } from "preact/hooks";
import * as queries from "../api/queries";
import type { PointDetail } from "../api/types";
import { LazyCharts } from "../charts/lazy";
import { howText } from "../components/bindings";
import { CommandPanel } from "../components/command_panel";
import { lazyView } from "../components/lazy_view";
import { Link } from "../components/link";
import { whyNot } from "../components/needs";
import { Failed, Skeleton } from "../components/notice";
import { Facts } from "../components/properties";
import { ValueTile } from "../components/value_tile";
import { t } from "../i18n";
import * as format from "../i18n/format";
import { unitText } from "../i18n/units";
import { deviceName, placeName, placeOf, pointName } from "../state/catalogue";
import { useInterest } from "../state/interest";
import { useResource } from "../state/resource";
import { may } from "../state/session";
import { useSparks } from "../state/sparks";
import { Breadcrumb } from "./place";

const PointChange = lazyView(() => import("../components/point_change"), 0);

/** Everything about one point: now, over time, where it belongs and how that was found. */
export function PointView({ id }: { id: number }) {
  const [resource, reload] = useResource(`point ${id}`, (signal) => queries.point(id, signal));
  const { data, problem } = resource.value;
  if (problem && !data) return <Failed problem={problem} retry={reload} />;
  if (!data) return <Skeleton rows={3} />;
  return <PointFaceplate key={id} point={data} changed={reload} />;
}

function PointFaceplate({ point, changed }: { point: PointDetail; changed: () => void }) {
  const [changing, setChanging] = useState(false);
  const ids = useMemo(() => [point.id], [point.id]);
  const shown = useMemo(() => [point], [point]);
  useInterest(ids);
  useSparks(ids);
  const place = placeOf(point);
  return (
    <article class="faceplate">
      <header class="view-head">
        <Breadcrumb place={place && { node: place.node, parents: [...place.parents, place.node] }} />
        <div class="view-title">
          <h1>{pointName(point)}</h1>
          <button type="button" class="button" disabled={!may("change")} title={whyNot("change")} onClick={() => setChanging(true)}>
            {t("change.open")}
          </button>
        </div>
        <p class="muted facts">
          <Link to={{ view: "device", node: point.node, device: point.device }}>{deviceName(point)}</Link>
          <span>{point.key}</span>
        </p>
      </header>
      <div class="point-head">
        <ValueTile point={point} />
        <section class="panel grow">
          <LazyCharts points={shown} height={230} />
        </section>
      </div>
      {point.writable && <CommandPanel point={point} />}
      <section class="panel">
        <h2>{t("point.facts")}</h2>
        <Facts rows={facts(point, place && placeName(place.node))} />
      </section>
      {changing && <PointChange point={point} close={() => setChanging(false)} changed={changed} />}
    </article>
  );
}

function facts(point: PointDetail, place: string | undefined): [string, unknown][] {
  const { binding } = point;
  const limit = (value: number | null) => (value === null ? null : `${format.value(value)} ${unitText(point.unit)}`.trim());
  return [
    [t("column.place"), place],
    [t("binding.how"), binding && `${howText(binding.how)} · ${format.percent(binding.confidence)}`],
    [t("binding.detail"), binding?.detail],
    [t("point.class"), point.point_class],
    [t("point.unit"), unitText(point.unit)],
    [t("point.low"), limit(point.low)],
    [t("point.high"), limit(point.high)],
    [t("point.period"), point.period_s === null ? null : t("point.seconds", { n: point.period_s })],
    [t("point.writable"), point.writable],
    [t("point.lifecycle"), point.lifecycle],
    [t("point.id"), String(point.id)],
    ...Object.entries(point.meta ?? {}),
  ];
}
