import { useState } from "preact/hooks";
import { Alarm, Field } from "../access/gate";
import { said } from "../access/words";
import { invite, type Enrolment } from "../api/fleet";
import { Dialog } from "../components/dialogs";
import { Icon } from "../components/icon";
import { t } from "../i18n";
import * as format from "../i18n/format";
import { zone } from "../state/catalogue";

const COPIED_MS = 2_000;

/** A one-time token for a gateway, and the command to type there. */
export default function EnrolDialog({ node, close }: { node: string; close: () => void }) {
  const [made, setMade] = useState<Enrolment | null>(null);
  const [problem, setProblem] = useState("");
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const name = node || String(new FormData(event.currentTarget as HTMLFormElement).get("node") ?? "").trim();
    invite(name).then(
      (enrolment) => (setProblem(""), setMade(enrolment)),
      (error: unknown) => setProblem(said(error, "access.wrong")),
    );
  };
  return (
    <Dialog title={node ? `${t("node.enrolAgain")}: ${node}` : t("node.enrol")} close={close}>
      {made ? (
        <Command made={made} />
      ) : (
        <form class="access-form" onSubmit={submit}>
          {node ? <p>{t("node.enrolAgainAbout")}</p> : <Field name="node" label={t("node.enrolName")} pattern="[a-z0-9_\-]{1,64}" about={t("node.enrolNameAbout")} />}
          <Alarm text={problem} />
          <button type="submit" class="button primary">
            {t("node.enrolMake")}
          </button>
        </form>
      )}
    </Dialog>
  );
}

function Command({ made }: { made: Enrolment }) {
  const [copied, setCopied] = useState(false);
  const copy = () =>
    void navigator.clipboard.writeText(made.command).then(() => {
      setCopied(true);
      setTimeout(() => setCopied(false), COPIED_MS);
    });
  return (
    <div class="access-secret" role="status">
      <p>{t("node.enrolType", { node: made.node, time: format.shortMoment(Date.parse(made.expires_at), zone.value) })}</p>
      <code>{made.command}</code>
      {navigator.clipboard && (
        <button type="button" class="button" onClick={copy}>
          <Icon name={copied ? "check" : "log"} size={14} />
          {t(copied ? "node.copied" : "node.copy")}
        </button>
      )}
      {made.replaces && <p class="muted">{t("node.enrolReplaces", { node: made.node })}</p>}
      <p class="muted">{t("node.enrolOnce")}</p>
    </div>
  );
}
