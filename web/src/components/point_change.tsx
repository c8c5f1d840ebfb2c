import { useMemo, useState } from "preact/hooks";
import * as api from "../api/changes";
import type { Point } from "../api/types";
import { t } from "../i18n";
import { unitText } from "../i18n/units";
import { placeName, placeOf, places, pointName } from "../state/catalogue";
import "../styles/changes.css";
import { ChangeSteps } from "./change_steps";
import { Dialog } from "./dialogs";
import { NoteField } from "./note_field";

type Kind = "limits" | "bindings";

/** Other limits, or another place, of one point: shown as what it would change before it is true. */
export default function PointChange({ point, close, changed }: { point: Point; close: () => void; changed: () => void }) {
  const [kind, setKind] = useState<Kind>("limits");
  const [note, setNote] = useState("");
  return (
    <Dialog title={t("change.pointTitle", { name: pointName(point) })} close={close} wide>
      <ChangeSteps kinds={["limits", "bindings"]} changed={changed}>
        {(propose) => (
          <div class="change-form">
            <fieldset>
              <legend>{t("change.what")}</legend>
              {(["limits", "bindings"] as const).map((one) => (
                <label key={one}>
                  <input type="radio" name="kind" checked={one === kind} onChange={() => setKind(one)} />
                  {t(one === "limits" ? "change.limits" : "change.bindings")}
                </label>
              ))}
            </fieldset>
            {kind === "limits" ? (
              <LimitsForm point={point} note={note} setNote={setNote} send={(body) => propose(() => api.propose("limits", body, note))} />
            ) : (
              <PlaceForm point={point} note={note} setNote={setNote} send={(body) => propose(() => api.propose("bindings", body, note))} />
            )}
          </div>
        )}
      </ChangeSteps>
    </Dialog>
  );
}

interface FormProps {
  point: Point;
  note: string;
  setNote: (note: string) => void;
  send: (body: unknown) => void;
}

function LimitsForm({ point, note, setNote, send }: FormProps) {
  const [low, setLow] = useState(point.low === null ? "" : String(point.low));
  const [high, setHigh] = useState(point.high === null ? "" : String(point.high));
  const read = (text: string) => (text.trim() === "" ? null : Number(text));
  const valid = [low, high].every((text) => text.trim() === "" || Number.isFinite(Number(text)));
  return (
    <Form note={note} setNote={setNote} ready={valid} send={() => send({ set: [{ point: point.key, low: read(low), high: read(high) }] })} back={{ text: t("change.limitsBack"), go: () => send({ clear: [point.key] }) }}>
      <div class="change-pair">
        <Field text={`${t("point.low")} ${unitText(point.unit)}`} name="low" value={low} set={setLow} />
        <Field text={`${t("point.high")} ${unitText(point.unit)}`} name="high" value={high} set={setHigh} />
      </div>
    </Form>
  );
}

/** The place is chosen by its name, or given as the GlobalId of any element. */
function PlaceForm({ point, note, setNote, send }: FormProps) {
  const known = useMemo(() => new Map([...places.peek().values()].map(({ node, parents }) => [[placeName(node), ...parents.slice(-1).map(placeName)].join(", "), node])), []);
  const [text, setText] = useState(() => placeOf(point)?.node.id ?? "");
  const node = known.get(text) ?? places.peek().get(text)?.node;
  const space = node?.type === "IfcSpace";
  return (
    <Form note={note} setNote={setNote} ready={text.trim() !== ""} send={() => send({ set: [{ point: point.key, element: space ? null : (node?.id ?? text.trim()), space: space ? node.id : null }] })} back={{ text: t("change.placeBack"), go: () => send({ clear: [point.key] }) }}>
      <Field text={t("change.place")} name="place" value={text} set={setText} list="places-known" />
      <datalist id="places-known">
        {[...known.keys()].map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
      {node && <p class="muted">{[...(places.peek().get(node.id)?.parents ?? []), node].map(placeName).join(" › ")}</p>}
    </Form>
  );
}

interface FormFrame {
  note: string;
  setNote: (note: string) => void;
  ready: boolean;
  send: () => void;
  back: { text: string; go: () => void };
  children: preact.ComponentChildren;
}

function Form({ note, setNote, ready, send, back, children }: FormFrame) {
  return (
    <form
      class="change-form"
      onSubmit={(event) => {
        event.preventDefault();
        if (ready) send();
      }}
    >
      {children}
      <NoteField note={note} setNote={setNote} />
      <div class="panel-links">
        <button type="submit" class="button primary" disabled={!ready}>
          {t("change.preview")}
        </button>
        <button type="button" class="button" onClick={back.go}>
          {back.text}
        </button>
      </div>
    </form>
  );
}

function Field({ text, name, value, set, list }: { text: string; name: string; value: string; set: (value: string) => void; list?: string }) {
  return (
    <label class="note-field">
      <span>{text}</span>
      <input type="text" name={name} maxLength={250} value={value} {...(list ? { list } : { inputMode: "decimal" as const })} onInput={(event) => set(event.currentTarget.value)} />
    </label>
  );
}
