import { useCallback, useEffect, useState } from "preact/hooks";
import { Alarm } from "../access/gate";
import { said } from "../access/words";
import { apply, check, config, stop, takeBack, type DryRun, type NodeConfig, type Standing } from "../api/fleet";
import { Dialog } from "../components/dialogs";
import { Skeleton } from "../components/notice";
import { t, type Key } from "../i18n";
import * as format from "../i18n/format";
import { zone } from "../state/catalogue";

const STATE: Record<Standing["state"], Key> = {
  local: "remote.local",
  fetching: "remote.fetching",
  trying: "remote.trying",
  running: "remote.running",
  refused: "remote.refused",
  rolled_back: "remote.rolledBack",
};
const moment = (iso: string) => format.shortMoment(Date.parse(iso), zone.value);

const FOLLOW_MS = 2_000;

/** What a gateway runs of what may be set from afar; a dry run of what might be, its trial, and the way back. */
export default function ConfigurationDialog({ node, close }: { node: string; close: () => void }) {
  const [told, setTold] = useState<NodeConfig | null>(null);
  const [problem, setProblem] = useState("");
  const [lost, setLost] = useState("");
  const read = useCallback(
    () => config(node).then((found) => (setTold(found), setLost("")), (error: unknown) => setLost(said(error, "access.wrong"))),
    [node],
  );
  useEffect(() => {
    void read();
    const timer = setInterval(() => document.hidden || void read(), FOLLOW_MS);
    return () => clearInterval(timer);
  }, [read]);
  const trial = told?.figures?.state === "trying" ? (told.wanted?.rollout ?? null) : null;
  const deed = (work: Promise<unknown>) => {
    setProblem("");
    work.then(read, (error: unknown) => setProblem(said(error, "access.wrong")));
  };
  return (
    <Dialog title={t("remote.configOf", { node })} close={close} wide>
      <Alarm text={problem || lost} />
      {!told && !lost && <Skeleton rows={4} />}
      {told && <Standings told={told} />}
      {trial !== null && (
        <button type="button" class="button" onClick={() => deed(stop(trial))}>
          {t("remote.stop", { rollout: trial })}
        </button>
      )}
      {told && (
        // another revision runs, or is tried: its text takes the place of what was written here
        <Trial key={`${told.figures?.revision} ${told.figures?.state}`} node={node} text={told.text ?? told.wanted?.text ?? ""} online={told.online} give={(text) => deed(apply(node, text))} />
      )}
      {told && told.history.length > 0 && (
        <details>
          <summary>{t("remote.history", { n: told.history.length })}</summary>
          <ol>
            {told.history.map((one) => (
              <li key={one.revision}>
                {moment(one.at)} · {one.by} · {one.revision} {one.why}
              </li>
            ))}
          </ol>
          <button type="button" class="button" disabled={trial !== null} onClick={() => deed(takeBack(node))}>
            {t("remote.takeBack")}
          </button>
        </details>
      )}
    </Dialog>
  );
}

function Standings({ told }: { told: NodeConfig }) {
  const { figures, remote, wanted } = told;
  return (
    <>
      <p>
        {figures ? t(STATE[figures.state], { revision: String(figures.revision) }) : t("remote.unable")}
        {figures?.since && ` · ${moment(figures.since)}`}
        {!told.online && ` · ${t("node.offline")}`}
      </p>
      {figures?.problem && <p class="why">{figures.problem}</p>}
      {remote && remote.length > 0 && <p class="muted">{t("remote.parts", { parts: remote.join(", ") })}</p>}
      {wanted && wanted.revision !== figures?.revision && <p>{t("remote.wanted", { revision: String(wanted.revision), by: wanted.by, time: moment(wanted.at) })}</p>}
    </>
  );
}

interface TrialProps {
  node: string;
  text: string;
  online: boolean;
  give: (text: string) => void;
}

/** Nothing is given to a gateway that it has not looked at: a change of the text asks for another dry run. */
function Trial({ node, text, online, give }: TrialProps) {
  const [first] = useState(text);
  const [tried, setTried] = useState<(DryRun & { text: string }) | null>(null);
  const [problem, setProblem] = useState("");
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const written = String(new FormData(event.currentTarget as HTMLFormElement).get("text") ?? "");
    setProblem("");
    check(node, written).then((found) => setTried({ ...found, text: written }), (error: unknown) => setProblem(said(error, "access.wrong")));
  };
  const ready = tried && !tried.problems.length && tried.diff;
  return (
    <form class="access-form" onSubmit={submit}>
      <textarea name="text" rows={16} spellcheck={false} class="remote-text" aria-label={t("remote.text")} onInput={() => setTried(null)}>
        {first}
      </textarea>
      <button type="submit" class="button" disabled={!online}>
        {t("remote.dryRun")}
      </button>
      <p class="muted">{t("remote.dryRunAbout")}</p>
      <Alarm text={problem} />
      {tried?.problems.map((one) => <Alarm key={one.field + one.problem} text={`${one.field}: ${one.problem}. ${one.fix}`} />)}
      {tried && <pre class="remote-text" role="status">{tried.diff || t("remote.same")}</pre>}
      {ready && (
        <>
          <button type="button" class="button primary" onClick={() => give(tried.text)}>
            {t("remote.apply")}
          </button>
          <p class="muted">{t("remote.applyAbout")}</p>
        </>
      )}
    </form>
  );
}
