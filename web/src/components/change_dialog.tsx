import { useState } from "preact/hooks";
import * as api from "../api/changes";
import type { FileKind } from "../api/changes";
import { t, type Key } from "../i18n";
import "../styles/changes.css";
import { ChangeSteps } from "./change_steps";
import { Dialog } from "./dialogs";
import { NoteField } from "./note_field";

const KIND: Record<FileKind, { text: Key; accept: string }> = {
  schedule: { text: "change.schedule", accept: ".xer,.xml,.csv,.ifc" },
  links: { text: "change.links", accept: ".csv" },
  model: { text: "change.model", accept: ".ifc,.ifczip" },
};

/** A new model, schedule or link file: sent, shown as what it would change, then made true or left. The past ones can be undone. */
export function ChangeDialog({ kinds, close, changed }: { kinds: readonly FileKind[]; close: () => void; changed: () => void }) {
  const [kind, setKind] = useState<FileKind>(kinds[0]!);
  return (
    <Dialog title={t("change.title")} close={close} wide>
      <ChangeSteps kinds={kinds} changed={changed}>
        {(propose) => <Choose kinds={kinds} kind={kind} setKind={setKind} send={(file, note) => propose(async () => api.propose(kind, { upload: await api.upload(file) }, note))} />}
      </ChangeSteps>
    </Dialog>
  );
}

interface ChooseProps {
  kinds: readonly FileKind[];
  kind: FileKind;
  setKind: (kind: FileKind) => void;
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
      <NoteField note={note} setNote={setNote} />
      <button type="submit" class="button primary" disabled={!file}>
        {t("change.preview")}
      </button>
    </form>
  );
}
