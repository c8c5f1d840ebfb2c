import { signal } from "@preact/signals";
import * as desk from "../api/desk";
import { Icon } from "../components/icon";
import { Failed, Skeleton } from "../components/notice";
import { t, type Key } from "../i18n";
import * as format from "../i18n/format";
import { LANGUAGE_NAMES, LANGUAGES, type Language } from "../i18n/languages";
import { zone } from "../state/catalogue";
import { useResource } from "../state/resource";
import { language as pageLanguage } from "../state/settings";
import "../styles/reports.css";

const KIND_TEXT: Record<desk.ReportKind, Key> = {
  operations: "report.operations",
  alarms: "report.alarms",
  energy: "report.energy",
  construction: "report.construction",
};
const kind = signal<desk.ReportKind>("operations");
const day = signal<string | null>(null);
const language = signal<Language | null>(null);

/** A day's report in the page, as a file, and what was made by plan. */
export default function ReportsView() {
  const [resource, reload] = useResource("reports", desk.reports);
  const { data, problem } = resource.value;
  return (
    <article class="faceplate reports">
      <header class="view-head">
        <div class="view-title">
          <Icon name="report" size={20} />
          <h1>{t("view.reports")}</h1>
        </div>
      </header>
      {problem && !data && <Failed problem={problem} retry={reload} />}
      {!data && !problem && <Skeleton rows={4} />}
      {data && <Desk data={data} />}
    </article>
  );
}

function Desk({ data }: { data: desk.Reports }) {
  const shown = day.value ?? yesterday(data.today);
  const spoken = language.value ?? pageLanguage.value;
  const url = (form: "html" | "pdf") => desk.reportUrl(kind.value, shown, spoken, form);
  return (
    <>
      <div class="report-tools">
        <div class="chips" role="group" aria-label={t("report.kind")}>
          {desk.REPORT_KINDS.map((one) => (
            <button key={one} type="button" class="chip" aria-pressed={one === kind.value} onClick={() => (kind.value = one)}>
              {t(KIND_TEXT[one])}
            </button>
          ))}
        </div>
        <label>
          <span>{t("report.day")}</span>
          <input type="date" value={shown} max={data.today} onChange={(event) => event.currentTarget.value && (day.value = event.currentTarget.value)} />
        </label>
        <label>
          <span>{t("settings.language")}</span>
          <select value={spoken} onChange={(event) => (language.value = event.currentTarget.value as Language)}>
            {LANGUAGES.map((one) => (
              <option key={one} value={one} lang={one}>
                {LANGUAGE_NAMES[one]}
              </option>
            ))}
          </select>
        </label>
        <span class="spacer" />
        <a class="button" href={`${url("pdf")}&download=true`} download>
          <Icon name="download" size={14} />
          PDF
        </a>
        <a class="button" href={url("html")} target="_blank" rel="noreferrer">
          {t("report.open")}
        </a>
      </div>
      <iframe class="report-page" src={url("html")} title={t(KIND_TEXT[kind.value])} />
      <section class="panel">
        <h2>{t("report.planned")}</h2>
        {!data.planned.length && <p class="muted">{t("report.nonePlanned")}</p>}
        <ul class="report-list">
          {data.planned.map((one, at) => (
            <li key={at}>
              <strong>{t(KIND_TEXT[one.kind])}</strong>
              <span class="num">{one.at}</span>
              <span class="muted">
                {one.days} · {one.languages.join(", ")} · {one.formats.join(", ").toUpperCase()}
                {one.route && ` · ${one.route}`}
              </span>
            </li>
          ))}
        </ul>
      </section>
      {data.kept.length > 0 && (
        <section class="panel">
          <h2>{t("report.kept")}</h2>
          <ul class="report-list">
            {data.kept.map((one) => (
              <li key={one.id}>
                <a class="row-link" href={desk.keptUrl(one.id)} target="_blank" rel="noreferrer">
                  {t(KIND_TEXT[one.kind])}, {one.day}
                </a>
                <span class="muted">
                  {one.language} · {one.file.split(".").pop()?.toUpperCase()} · {format.shortMoment(Date.parse(one.made), zone.value)}
                  {one.mailed && ` · ${one.mailed}`}
                </span>
              </li>
            ))}
          </ul>
        </section>
      )}
    </>
  );
}

function yesterday(today: string): string {
  return new Date(Date.parse(`${today}T00:00:00Z`) - 86_400_000).toISOString().slice(0, 10);
}
