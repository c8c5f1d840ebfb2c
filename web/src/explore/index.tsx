import { signal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import * as explore from "../api/explore";
import { isAbort, TwinError } from "../api/http";
import type { Problem } from "../api/types";
import { Icon } from "../components/icon";
import { Needs } from "../components/needs";
import { t } from "../i18n";
import { useResource } from "../state/resource";
import { session } from "../state/session";
import { Chart } from "./chart";
import { Editor } from "./editor";
import { Grid } from "./grid";
import { SavedQueries } from "./saved";
import { snippet } from "./snippet";
import "../styles/explore.css";

const FIRST = `SELECT p.key, count(*) AS readings, avg(r.value) AS mean
FROM readings AS r JOIN points AS p ON p.id = r.point
WHERE r.ts > now() - INTERVAL 10 MINUTE
GROUP BY p.key
ORDER BY readings DESC
LIMIT 50`;
const FORMS = ["csv", "parquet", "arrow"] as const;

/** What was typed and answered stays while other views are open. */
const text = signal(FIRST);
const given = signal({ sql: FIRST });
const result = signal<explore.Result | null>(null);
const choose = (sql: string) => {
  text.value = sql;
  given.value = { sql };
};
type Shown = "table" | "chart" | "python";

export default function ExploreView() {
  return (
    <article class="faceplate explore">
      <header class="view-head">
        <div class="view-title">
          <Icon name="explore" size={20} />
          <h1>{t("view.explore")}</h1>
        </div>
      </header>
      <Needs right="ask">
        <Desk />
      </Needs>
    </article>
  );
}

function Desk() {
  const [tables] = useResource("tables", explore.tables);
  const [shown, setShown] = useState<Shown>("table");
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busySince, setBusySince] = useState<number | null>(null);
  const [tookMs, setTookMs] = useState(0);
  const abort = useRef<AbortController | null>(null);
  useEffect(() => () => (abort.current?.abort(), void (given.value = { sql: text.peek() })), []);
  const run = () => {
    abort.current?.abort();
    const mine = (abort.current = new AbortController());
    const started = performance.now();
    setBusySince(started);
    setProblem(null);
    explore
      .ask(text.peek(), mine.signal)
      .then(
        (found) => ((result.value = found), setTookMs(performance.now() - started)),
        (error: unknown) => isAbort(error) || setProblem(error instanceof TwinError ? error.problem : { title: String(error), status: 0 }),
      )
      .finally(() => mine === abort.current && setBusySince(null));
  };
  const known = tables.value.data?.items ?? [];
  return (
    <div class="explore-desk">
      <section class="explore-main">
        <Editor given={given.value} tables={known} changed={(next) => (text.value = next)} run={run} />
        <div class="explore-tools">
          <button type="button" class="button primary" title="Ctrl ↵" disabled={busySince !== null} onClick={run}>
            <Icon name="play" size={14} />
            {t("explore.run")}
          </button>
          {busySince !== null && (
            <button type="button" class="button" onClick={() => abort.current?.abort()}>
              {t("explore.cancel")}
            </button>
          )}
          <span class="muted num" role="status">
            {busySince !== null ? t("explore.running") : result.value ? told(result.value, tookMs) : ""}
          </span>
          <span class="spacer" />
          <Exports />
        </div>
        {problem && (
          <p class="explore-problem" role="alert">
            <Icon name="bad" size={14} />
            {problem.status === 0 ? t("error.unreachable") : problem.detail || problem.title}
            {problem.fix && <span class="muted">{t("error.fix", { fix: problem.fix })}</span>}
          </p>
        )}
        <div class="chips" role="group" aria-label={t("explore.shownAs")}>
          {(["table", "chart", "python"] as const).map((one) => (
            <button key={one} type="button" class="chip" aria-pressed={one === shown} onClick={() => setShown(one)}>
              {t(one === "table" ? "explore.table" : one === "chart" ? "explore.chart" : "explore.python")}
            </button>
          ))}
        </div>
        {shown === "python" ? <Python /> : result.value && (shown === "table" ? <Grid result={result.value} /> : <Chart result={result.value} />)}
      </section>
      <SavedQueries text={text.value} choose={choose} tables={known} />
    </div>
  );
}

function told(found: explore.Result, tookMs: number): string {
  const rows = t("explore.rows", { n: found.rows.length });
  return `${rows} · ${Math.round(tookMs)} ms${found.truncated ? ` · ${t("explore.truncated")}` : ""}`;
}

function Exports() {
  const [problem, setProblem] = useState("");
  const take = (form: explore.Form) =>
    void explore.exported(text.peek(), form).then(
      (blob) => {
        const link = document.createElement("a");
        link.href = URL.createObjectURL(blob);
        link.download = `query.${form}`;
        link.click();
        setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
        setProblem("");
      },
      (error: unknown) => setProblem(error instanceof TwinError ? error.message : String(error)),
    );
  return (
    <>
      {problem && <span role="alert">{problem}</span>}
      {FORMS.map((form) => (
        <button key={form} type="button" class="button" aria-label={t("explore.export", { form })} onClick={() => take(form)}>
          <Icon name="download" size={14} />
          {form === "csv" ? "CSV" : form === "parquet" ? "Parquet" : "Arrow"}
        </button>
      ))}
    </>
  );
}

function Python() {
  const code = snippet(text.value, location.origin, session.value?.needed ?? false);
  return (
    <div class="explore-python">
      <p class="muted">{t("explore.pythonAbout")}</p>
      <pre tabIndex={0}>{code}</pre>
      <button type="button" class="button" onClick={() => void navigator.clipboard.writeText(code)}>
        {t("explore.copy")}
      </button>
    </div>
  );
}
