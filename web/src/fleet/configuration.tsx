import { useEffect, useState } from "preact/hooks";
import { Alarm } from "../access/gate";
import { said } from "../access/words";
import { check, config, type DryRun, type NodeConfig, type Standing } from "../api/fleet";
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

/** What a gateway runs of what may be set from afar, and a dry run of what might be. */
export default function ConfigurationDialog({ node, close }: { node: string; close: () => void }) {
  const [told, setTold] = useState<NodeConfig | null>(null);
  const [problem, setProblem] = useState("");
  useEffect(() => void config(node).then(setTold, (error: unknown) => setProblem(said(error, "access.wrong"))), [node]);
  return (
    <Dialog title={t("remote.configOf", { node })} close={close} wide>
      <Alarm text={problem} />
      {!told && !problem && <Skeleton rows={4} />}
      {told && <Standings told={told} />}
      {told && <Trial node={node} text={told.text ?? told.wanted?.text ?? ""} online={told.online} />}
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
        {figures ? t(STATE[figures.state], { revision: figures.revision }) : t("remote.unable")}
        {figures?.since && ` · ${moment(figures.since)}`}
        {!told.online && ` · ${t("node.offline")}`}
      </p>
      {figures?.problem && <p class="why">{figures.problem}</p>}
      {remote && remote.length > 0 && <p class="muted">{t("remote.parts", { parts: remote.join(", ") })}</p>}
      {wanted && wanted.revision !== figures?.revision && <p>{t("remote.wanted", { revision: wanted.revision, by: wanted.by, time: moment(wanted.at) })}</p>}
    </>
  );
}

function Trial({ node, text, online }: { node: string; text: string; online: boolean }) {
  const [found, setFound] = useState<DryRun | null>(null);
  const [problem, setProblem] = useState("");
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const written = String(new FormData(event.currentTarget as HTMLFormElement).get("text") ?? "");
    setProblem("");
    check(node, written).then(setFound, (error: unknown) => setProblem(said(error, "access.wrong")));
  };
  return (
    <form class="access-form" onSubmit={submit}>
      <textarea name="text" rows={16} spellcheck={false} class="remote-text" aria-label={t("remote.text")}>
        {text}
      </textarea>
      <button type="submit" class="button" disabled={!online}>
        {t("remote.dryRun")}
      </button>
      <p class="muted">{t("remote.dryRunAbout")}</p>
      <Alarm text={problem} />
      {found?.problems.map((one) => <Alarm key={one.field + one.problem} text={`${one.field}: ${one.problem}. ${one.fix}`} />)}
      {found && <pre class="remote-text" role="status">{found.diff || t("remote.same")}</pre>}
    </form>
  );
}
