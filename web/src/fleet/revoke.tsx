import { useState } from "preact/hooks";
import { Alarm, Field } from "../access/gate";
import { said } from "../access/words";
import { revoke } from "../api/fleet";
import { Dialog } from "../components/dialogs";
import { t } from "../i18n";

/** The end of a gateway's trust, after one look at what it means. */
export default function RevokeDialog({ node, close, done }: { node: string; close: () => void; done: () => void }) {
  const [problem, setProblem] = useState("");
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const why = String(new FormData(event.currentTarget as HTMLFormElement).get("why") ?? "").trim();
    revoke(node, why).then(
      () => (done(), close()),
      (error: unknown) => setProblem(said(error, "access.wrong")),
    );
  };
  return (
    <Dialog title={t("node.revokeTitle", { node })} close={close}>
      <form class="access-form" onSubmit={submit}>
        <p>{t("node.revokeAbout")}</p>
        <Field name="why" label={t("node.revokeWhy")} optional />
        <Alarm text={problem} />
        <button type="submit" class="button primary">
          {t("node.revoke")}
        </button>
      </form>
    </Dialog>
  );
}
