import { useState } from "preact/hooks";
import * as alarms from "../api/alarms";
import * as api from "../api/changes";
import { ChangeSteps } from "../components/change_steps";
import { Dialog } from "../components/dialogs";
import { NoteField } from "../components/note_field";
import { Failed, Skeleton } from "../components/notice";
import { t } from "../i18n";
import { useResource } from "../state/resource";
import "../styles/changes.css";

/** Which alarms there are and who is told of them: the site's rules, classes and routes as one text. */
export function RulesChange({ close, changed }: { close: () => void; changed: () => void }) {
  const [resource, reload] = useResource("alarm rules", alarms.rules);
  const { data, problem } = resource.value;
  return (
    <Dialog title={t("change.alarms")} close={close} wide>
      {problem && !data && <Failed problem={problem} retry={reload} />}
      {!data && !problem && <Skeleton rows={8} />}
      {data && <RulesForm key={data.toml} toml={data.toml} changed={() => (reload(), changed())} />}
    </Dialog>
  );
}

function RulesForm({ toml, changed }: { toml: string; changed: () => void }) {
  const [text, setText] = useState(toml);
  const [note, setNote] = useState("");
  return (
    <ChangeSteps kinds={["alarms"]} changed={changed}>
      {(propose) => (
        <form
          class="change-form"
          onSubmit={(event) => {
            event.preventDefault();
            propose(() => api.propose("alarms", { toml: text }, note));
          }}
        >
          <p class="muted">{t("change.alarmsAbout")}</p>
          <textarea class="rules-text" name="rules" aria-label={t("change.alarms")} spellcheck={false} rows={16} value={text} onInput={(event) => setText(event.currentTarget.value)} />
          <NoteField note={note} setNote={setNote} />
          <div class="panel-links">
            <button type="submit" class="button primary" disabled={text === toml}>
              {t("change.preview")}
            </button>
            <button type="button" class="button" onClick={() => propose(() => api.propose("alarms", { toml: null }, note))}>
              {t("change.alarmsBack")}
            </button>
          </div>
        </form>
      )}
    </ChangeSteps>
  );
}
