import { useMemo, useRef, useState } from "preact/hooks";
import { LazyCharts } from "../charts/lazy";
import { Icon } from "../components/icon";
import { Empty } from "../components/notice";
import { t, type Key } from "../i18n";
import { points as catalogue, deviceName, pointName } from "../state/catalogue";
import { className } from "../i18n/classes";
import { compare, COMPARISONS, comparisonOf, type Comparison } from "../state/compare";
import { useInterest } from "../state/interest";
import { proposals } from "../state/headlines";
import { go, toggleTrend, TREND_POINTS_MAX, trendPoints } from "../state/route";
import { hasPlan } from "../state/schedule";
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
      <div class="trend-tools">
        {ids.length < TREND_POINTS_MAX && <AddPoint shown={ids} />}
        {points.length > 0 && <CompareSelect />}
      </div>
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

const COMPARE_TEXT: Record<Comparison, Key> = { none: "trend.compareNone", day: "trend.compareDay", week: "trend.compareWeek", plan: "trend.comparePlan" };

function CompareSelect() {
  return (
    <label class="compare">
      <Icon name="compare" />
      <span class="muted">{t("trend.compare")}</span>
      <select value={compare.value} onChange={(event) => (compare.value = comparisonOf(event.currentTarget.value))}>
        {COMPARISONS.filter((one) => one !== "plan" || hasPlan.value).map((one) => (
          <option key={one} value={one}>
            {t(COMPARE_TEXT[one])}
          </option>
        ))}
      </select>
    </label>
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
