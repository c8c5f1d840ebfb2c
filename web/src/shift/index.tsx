import { useState } from "preact/hooks";
import * as desk from "../api/desk";
import { TwinError } from "../api/http";
import { Icon } from "../components/icon";
import { Link } from "../components/link";
import { Needs } from "../components/needs";
import { Empty, Failed, Skeleton } from "../components/notice";
import { t } from "../i18n";
import * as format from "../i18n/format";
import { zone } from "../state/catalogue";
import { useResource } from "../state/resource";
import { session } from "../state/session";
import { Handovers } from "./handovers";
import "../styles/reports.css";

const ALARM = /#(\d+)/g;

/** What the shift writes down, and how it hands over. */
export default function ShiftView() {
  const [q, setQ] = useState("");
  const [resource, reload] = useResource(`shift ${q}`, (signal) => desk.entries(q, signal));
  const { data, problem } = resource.value;
  const [corrects, setCorrects] = useState<desk.ShiftEntry | null>(null);
  return (
    <article class="faceplate shift">
      <header class="view-head">
        <div class="view-title">
          <Icon name="log" size={20} />
          <h1>{t("view.shift")}</h1>
        </div>
      </header>
      <div class="shift-columns">
        <section class="shift-log">
          <Needs right="operate">
            <Write corrects={corrects} done={() => (setCorrects(null), reload())} />
          </Needs>
          <input class="shift-search" type="search" aria-label={t("shift.search")} placeholder={t("shift.search")} value={q} onInput={(event) => setQ(event.currentTarget.value)} />
          {problem && !data && <Failed problem={problem} retry={reload} />}
          {!data && !problem && <Skeleton rows={4} />}
          {data && !data.items.length && (
            <Empty icon="log" title={t("shift.none")}>
              {t("shift.noneAbout")}
            </Empty>
          )}
          <ol class="shift-entries">
            {data?.items.map((entry) => (
              <li key={entry.id} class="panel" id={`entry-${entry.id}`}>
                <header>
                  <time class="num" dateTime={entry.at}>
                    {format.shortMoment(Date.parse(entry.at), zone.value)}
                  </time>
                  <strong>{entry.by}</strong>
                  <span class="muted num">№ {entry.id}</span>
                  <span class="spacer" />
                  <button type="button" class="button quiet" onClick={() => setCorrects(entry)}>
                    {t("shift.correct")}
                  </button>
                </header>
                {entry.corrects !== null && <p class="muted">{t("shift.corrects", { n: entry.corrects })}</p>}
                <p class="shift-text">{entry.text}</p>
                {entry.alarms.length > 0 && (
                  <p>
                    {entry.alarms.map((id) => (
                      <Link key={id} to={{ view: "alarms" }} class="chip">
                        <Icon name="alarm" size={14} />#{id}
                      </Link>
                    ))}
                  </p>
                )}
              </li>
            ))}
          </ol>
        </section>
        <Handovers />
      </div>
    </article>
  );
}

function Write({ corrects, done }: { corrects: desk.ShiftEntry | null; done: () => void }) {
  const [text, setText] = useState("");
  const [problem, setProblem] = useState("");
  const submit = (event: Event) => {
    event.preventDefault();
    const alarms = [...text.matchAll(ALARM)].map((match) => Number(match[1])).slice(0, 100);
    desk.write({ text, alarms, corrects: corrects?.id ?? null }).then(
      () => (setText(""), setProblem(""), done()),
      (error: unknown) => setProblem(error instanceof TwinError ? error.message : String(error)),
    );
  };
  return (
    <form class="panel shift-write" onSubmit={submit}>
      <label>
        <span>{corrects ? t("shift.corrects", { n: corrects.id }) : t("shift.write")}</span>
        <textarea rows={3} maxLength={10_000} value={text} onInput={(event) => setText(event.currentTarget.value)} />
      </label>
      <p class="muted">{t("shift.writeAbout", { name: session.value?.full_name || session.value?.name || "–" })}</p>
      {problem && <p role="alert">{problem}</p>}
      <button type="submit" class="button primary" disabled={!text.trim()}>
        {t("shift.enter")}
      </button>
    </form>
  );
}
