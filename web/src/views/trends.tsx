import { useMemo, useRef, useState } from "preact/hooks";
import { LazyCharts } from "../charts/lazy";
import { Icon } from "../components/icon";
import { Empty } from "../components/notice";
import { t } from "../i18n";
import { points as catalogue, deviceName, pointName } from "../state/catalogue";
import { className } from "../i18n/classes";
import { useInterest } from "../state/interest";
import { proposals } from "../state/headlines";
import { go, toggleTrend, TREND_POINTS_MAX, trendPoints } from "../state/route";
import { matches, words } from "../state/search";
import { zoomOut } from "../state/time";

const OFFERED_MAX = 30;

/** Any points over time: added here or with the chart button of a tile. */
export function TrendsView() {
  const ids = trendPoints.value;
  const known = catalogue.value;
  const points = useMemo(() => ids.flatMap((id) => known.get(id) ?? []), [ids, known]);
  useInterest(ids);
  return (
    <article class="faceplate">
      <header class="view-head">
        <div class="view-title">
          <Icon name="trends" size={20} />
          <h1>{t("view.trends")}</h1>
          <button type="button" class="button" onClick={zoomOut}>
            <Icon name="zoomOut" />
            {t("trend.zoomOut")}
          </button>
        </div>
        <p class="muted wide-only">{t("trend.hint")}</p>
      </header>
      {ids.length < TREND_POINTS_MAX && <AddPoint shown={ids} />}
      {points.length ? (
        <section class="panel">
          <LazyCharts points={points} onRemove={toggleTrend} />
        </section>
      ) : (
        <>
          <Empty icon="trends" title={t("trend.empty")}>
            {t("trend.emptyFix")}
          </Empty>
          <Proposals />
        </>
      )}
    </article>
  );
}

/** Nothing chosen yet: sets worth a look, one click each. */
function Proposals() {
  const known = catalogue.value;
  const offered = useMemo(() => proposals(known.values()), [known]);
  return (
    <div class="proposals">
      {offered.map(({ of, points }) => (
        <button key={points[0]!.id} type="button" class="button" onClick={() => go({ view: "trends", points: points.map((point) => point.id) })}>
          <Icon name="trends" />
          {of ? className(of) : deviceName(points[0]!)}
          <span class="count num">{points.length}</span>
        </button>
      ))}
    </div>
  );
}

function AddPoint({ shown }: { shown: readonly number[] }) {
  const [text, setText] = useState("");
  const [open, setOpen] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const offered = useMemo(() => {
    if (!open) return [];
    const wanted = words(text);
    const found = [];
    for (const point of catalogue.value.values()) {
      if (shown.includes(point.id) || !matches(wanted, point.key, point.label)) continue;
      found.push(point);
      if (found.length === OFFERED_MAX) break;
    }
    return found;
  }, [text, open, shown, catalogue.value]);
  const add = (id: number) => {
    toggleTrend(id);
    setText("");
    setOpen(false);
  };
  return (
    <div class="combo" onFocusOut={(event) => event.currentTarget.contains(event.relatedTarget as Node) || setOpen(false)}>
      <div class="field">
        <Icon name="plus" />
        <input
          ref={input}
          type="text"
          role="combobox"
          aria-expanded={open}
          aria-controls="add-point-list"
          aria-label={t("trend.addPoint")}
          placeholder={t("trend.addPoint")}
          value={text}
          onFocus={() => setOpen(true)}
          onInput={(event) => (setText(event.currentTarget.value), setOpen(true))}
          onKeyDown={(event) => {
            if (event.key === "Escape") setOpen(false);
            if (event.key === "Enter" && offered[0]) add(offered[0].id);
          }}
        />
      </div>
      <ul id="add-point-list" class="combo-list" hidden={!open || !offered.length}>
        {offered.map((point) => (
          <li key={point.id}>
            <button type="button" onClick={() => add(point.id)}>
              {pointName(point)} <span class="muted">{deviceName(point)}</span>
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}
