import { t } from "../i18n";

/** Why something is changed; stands in the list of changes for good. */
export function NoteField({ note, setNote }: { note: string; setNote: (note: string) => void }) {
  return (
    <label class="note-field">
      <span>{t("change.note")}</span>
      <input type="text" maxLength={500} value={note} onInput={(event) => setNote(event.currentTarget.value)} />
    </label>
  );
}
