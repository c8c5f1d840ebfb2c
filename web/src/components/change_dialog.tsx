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
import { Dialog } from "./dialogs";
import { DiffList } from "./diff_list";
import { Icon } from "./icon";

const PAST_MAX = 40;
const PAST_SHOWN = 6;
const KIND: Record<ChangeKind, { text: Key; accept: string }> = {
  schedule: { text: "change.schedule", accept: ".xer,.xml,.csv,.ifc" },
  links: { text: "change.links", accept: ".csv" },
  model: { text: "change.model", accept: ".ifc,.ifczip" },
};

type Step = { step: "choose" } | { step: "busy" } | { step: "preview"; change: Change };

/** A new model, schedule or link file: sent, shown as what it would change, then made true or left. The past ones can be undone. */
export function ChangeDialog({ kinds, close, changed }: { kinds: readonly ChangeKind[]; close: () => void; changed: () => void }) {
  const [kind, setKind] = useState<ChangeKind>(kinds[0]!);
  const [now, setNow] = useState<Step>({ step: "choose" });
  const [problem, setProblem] = useState<Problem | null>(null);
  const [past, reload] = useResource("changes", (signal) => api.changes(PAST_MAX, signal));
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
  const send = (file: File, note: string) => tryTo(async () => ({ step: "preview", change: await api.propose(kind, await api.upload(file), note) }), { step: "choose" });
  const activate = (change: Change) =>
    tryTo(
      async () => {
        await api.activate(change.id);
        changed();
        return { step: "choose" };
      },
      { step: "preview", change },
    );
  const revert = (change: Change) =>
    tryTo(
      async () => {
        await api.revert(change.id);
        changed();
        return { step: "choose" };
      },
      { step: "choose" },
    );
  return (
    <Dialog title={t("change.title")} close={close} wide>
      {now.step === "busy" && (
        <p role="status">
          <progress aria-label={t("change.checking")} /> {t("change.checking")}
        </p>
      )}
      {now.step === "choose" && <Choose kinds={kinds} kind={kind} setKind={setKind} send={send} />}
      {problem && (
        <p class="command-problem" role="alert">
          <Icon name="bad" size={14} /> {problem.status === 0 ? t("error.unreachable") : (problem.detail ?? problem.title)} {problem.fix && t("error.fix", { fix: problem.fix })}
        </p>
      )}
      {now.step === "preview" && <Preview change={now.change} activate={() => activate(now.change)} leave={() => setNow({ step: "choose" })} />}
      {now.step === "choose" && <Past items={(past.value.data?.items ?? []).filter((one) => kinds.some((known) => known === one.kind)).slice(0, PAST_SHOWN)} revert={revert} />}
    </Dialog>
  );
}

interface ChooseProps {
  kinds: readonly ChangeKind[];
  kind: ChangeKind;
  setKind: (kind: ChangeKind) => void;
  send: (file: File, note: string) => void;
}

function Choose({ kinds, kind, setKind, send }: ChooseProps) {
  const [file, setFile] = useState<File | null>(null);
  const [note, setNote] = useState("");
  return (
    <form
      class="change-form"
      onSubmit={(event) => {
        event.preventDefault();
        if (file) send(file, note);
      }}
    >
      <fieldset>
        <legend>{t("change.what")}</legend>
        {kinds.map((one) => (
          <label key={one}>
            <input type="radio" name="kind" checked={one === kind} onChange={() => (setKind(one), setFile(null))} />
            {t(KIND[one].text)}
          </label>
        ))}
      </fieldset>
      <label class="file-field">
        <span>{t("change.file")}</span>
        <input key={kind} type="file" accept={KIND[kind].accept} onChange={(event) => setFile(event.currentTarget.files?.[0] ?? null)} />
      </label>
      <label class="note-field">
        <span>{t("change.note")}</span>
        <input type="text" maxLength={500} value={note} onInput={(event) => setNote(event.currentTarget.value)} />
      </label>
      <button type="submit" class="button primary" disabled={!file}>
        {t("change.preview")}
      </button>
    </form>
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
              {t(KIND[one.kind as ChangeKind].text)} <span class="muted">{one.note}</span>
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
