import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import * as api from "../api/changes";
import type { ChangeKind } from "../api/changes";
import { TwinError } from "../api/http";
import type { Change } from "../api/plan_types";
import type { Problem } from "../api/types";
import { t, type Key } from "../i18n";
import * as format from "../i18n/format";
import { zone } from "../state/catalogue";
import { useResource } from "../state/resource";
import "../styles/changes.css";
import { DiffList } from "./diff_list";
import { Icon } from "./icon";

const PAST_MAX = 40;
const PAST_SHOWN = 6;
const KIND_TEXT: Record<ChangeKind, Key> = {
  schedule: "change.schedule",
  links: "change.links",
  model: "change.model",
  limits: "change.limits",
  bindings: "change.bindings",
  alarms: "change.alarms",
};

type Step = { step: "choose" } | { step: "busy" } | { step: "preview"; change: Change };
type Propose = (make: () => Promise<Change>) => void;

interface ChangeStepsProps {
  kinds: readonly ChangeKind[];
  changed: () => void;
  /** The form that says what to change; it hands over how the change is proposed. */
  children: (propose: Propose) => ComponentChildren;
}

/** From a wish to what is true: said in a form, shown as what it would change, then made true or left. The past ones can be undone. */
export function ChangeSteps({ kinds, changed, children }: ChangeStepsProps) {
  const [now, setNow] = useState<Step>({ step: "choose" });
  const [problem, setProblem] = useState<Problem | null>(null);
  const [past, reload] = useResource(`changes ${kinds.join()}`, (signal) => api.changes(PAST_MAX, signal));
  const tryTo = async (work: () => Promise<Step>, after: Step) => {
    setNow({ step: "busy" });
    setProblem(null);
    try {
      setNow(await work());
    } catch (error) {
      setProblem(error instanceof TwinError ? error.problem : { title: String(error), status: 0 });
      setNow(after);
    }
    reload();
  };
  const done = async (work: Promise<Change>): Promise<Step> => {
    await work;
    changed();
    return { step: "choose" };
  };
  return (
    <>
      {now.step === "busy" && (
        <p role="status">
          <progress aria-label={t("change.checking")} /> {t("change.checking")}
        </p>
      )}
      <div hidden={now.step !== "choose"}>{children((make) => void tryTo(async () => ({ step: "preview", change: await make() }), { step: "choose" }))}</div>
      {problem && (
        <p class="command-problem" role="alert">
          <Icon name="bad" size={14} /> {problem.status === 0 ? t("error.unreachable") : (problem.detail ?? problem.title)} {problem.fix && t("error.fix", { fix: problem.fix })}
        </p>
      )}
      {now.step === "preview" && <Preview change={now.change} activate={() => void tryTo(() => done(api.activate(now.change.id)), now)} leave={() => setNow({ step: "choose" })} />}
      {now.step === "choose" && (
        <Past
          items={(past.value.data?.items ?? []).filter((one) => kinds.some((known) => known === one.kind)).slice(0, PAST_SHOWN)}
          revert={(change) => void tryTo(() => done(api.revert(change.id)), { step: "choose" })}
        />
      )}
    </>
  );
}

function Preview({ change, activate, leave }: { change: Change; activate: () => void; leave: () => void }) {
  const hindered = change.problems.length > 0;
  return (
    <section class="change-preview">
      <h3>{hindered ? t("change.hindered") : t("change.would", { n: change.diff.length })}</h3>
      {change.problems.map((one, i) => (
        <p key={i} class="command-problem">
          <Icon name="bad" size={14} /> {typeof one === "string" ? one : (one.detail ?? one.problem)}
        </p>
      ))}
      <DiffList rows={change.diff} />
      <div class="panel-links">
        <button type="button" class="button primary" disabled={hindered} onClick={activate}>
          <Icon name="check" />
          {t("change.activate")}
        </button>
        <button type="button" class="button" onClick={leave}>
          {t("command.cancel")}
        </button>
      </div>
    </section>
  );
}

const STATE: Record<string, Key> = { preview: "change.statePreview", active: "change.stateActive", reverted: "change.stateReverted" };

function Past({ items, revert }: { items: readonly Change[]; revert: (change: Change) => void }) {
  if (!items.length) return null;
  return (
    <section>
      <h3>{t("change.past")}</h3>
      <ul class="change-list">
        {items.map((one) => (
          <li key={one.id}>
            <span>
              {t(KIND_TEXT[one.kind as ChangeKind])} <span class="muted">{one.note}</span>
            </span>
            <span class="muted">
              {STATE[one.state] ? t(STATE[one.state]!) : one.state} · {one.by} · {format.shortMoment(Date.parse(one.at), zone.value)}
            </span>
            {one.state === "active" && (
              <button type="button" class="button" onClick={() => revert(one)}>
                {t("change.revert")}
              </button>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}
