import { useState } from "preact/hooks";
import { Icon } from "../components/icon";
import { Link } from "../components/link";
import { Empty, Failed, Skeleton } from "../components/notice";
import { shownLanguage, t, type Key } from "../i18n";
import { useResource } from "../state/resource";
import { Bar } from "./bar";
import * as calls from "./calls";

const STATES = ["", "open", "wrong", "done"] as const;
const STATE_TEXT: Record<(typeof STATES)[number], Key> = { "": "verify.stateAll", open: "verify.stateOpen", wrong: "verify.stateWrong", done: "verify.stateDone" };

/** Every device by storey, with what is left to do; labels to print and lists to take along. */
export function DevicesView() {
  const [filter, setFilter] = useState({ q: "", storey: "", state: "" });
  const [limit, setLimit] = useState(calls.DEVICES_A_PAGE);
  const [resource, reload] = useResource(`commissioning ${JSON.stringify(filter)} ${limit}`, (signal) => calls.devices(filter, limit, signal));
  const { data, problem } = resource.value;
  const set = (change: Partial<typeof filter>) => (setLimit(calls.DEVICES_A_PAGE), setFilter({ ...filter, ...change }));
  return (
    <article class="faceplate commissioning">
      <header class="view-head">
        <div class="view-title">
          <Icon name="check" size={20} />
          <h1>{t("view.commissioning")}</h1>
        </div>
        <p class="muted">{t("verify.about")}</p>
        <div class="command-row">
          <a class="button" href={calls.labelsUrl(filter, shownLanguage())} target="_blank" rel="noopener">
            <Icon name="download" size={16} />
            {t("verify.labels")}
          </a>
          <a class="button" href={calls.listUrl("xlsx")} download>
            <Icon name="download" size={16} />
            {t("verify.list", { format: "XLSX" })}
          </a>
          <a class="button" href={calls.listUrl("csv")} download>
            <Icon name="download" size={16} />
            {t("verify.list", { format: "CSV" })}
          </a>
        </div>
      </header>
      <div class="verify-filter">
        <input type="search" aria-label={t("verify.search")} placeholder={t("verify.search")} value={filter.q} onInput={(event) => set({ q: event.currentTarget.value })} />
        <select aria-label={t("verify.state")} value={filter.state} onChange={(event) => set({ state: event.currentTarget.value })}>
          {STATES.map((state) => (
            <option key={state} value={state}>
              {t(STATE_TEXT[state])}
            </option>
          ))}
        </select>
      </div>
      {problem && !data && <Failed problem={problem} retry={reload} />}
      {!data && !problem && <Skeleton rows={6} />}
      {data && <Storeys rows={data.storeys} chosen={filter.storey} choose={(storey) => set({ storey })} />}
      {data && !data.items.length && (
        <Empty icon="device" title={t("verify.none")}>
          {t("verify.noneFix")}
        </Empty>
      )}
      <ul class="verify-devices">
        {data?.items.map((one) => (
          <li key={one.id}>
            <Link to={{ view: "commissioning", device: one.id }} class="verify-device">
              <span class="verify-name">
                <strong>{one.label}</strong>
                <span class="muted">{[one.device, one.place.space_name].filter(Boolean).join(" · ")}</span>
              </span>
              <Bar {...one} />
            </Link>
          </li>
        ))}
      </ul>
      {data?.next && (
        <button type="button" class="button" onClick={() => setLimit(limit + calls.DEVICES_A_PAGE)}>
          {t("verify.more", { n: data.total - data.items.length })}
        </button>
      )}
    </article>
  );
}

function Storeys({ rows, chosen, choose }: { rows: calls.StoreyProgress[]; chosen: string; choose: (storey: string) => void }) {
  if (rows.length < 2 && !chosen) return null;
  return (
    <ul class="verify-storeys">
      {rows.map((row) => (
        <li key={row.storey ?? ""}>
          <button type="button" aria-pressed={chosen === row.storey} disabled={!row.storey} onClick={() => choose(chosen === row.storey ? "" : (row.storey ?? ""))}>
            <strong>{row.name || t("verify.nowhere")}</strong>
            <span class="muted num">{t("verify.devicesDone", { done: row.done, all: row.devices })}</span>
            <Bar {...row} />
          </button>
        </li>
      ))}
    </ul>
  );
}
