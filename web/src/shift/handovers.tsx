import { useState } from "preact/hooks";
import * as desk from "../api/desk";
import { TwinError } from "../api/http";
import { Needs } from "../components/needs";
import { t, type Key } from "../i18n";
import * as format from "../i18n/format";
import { zone } from "../state/catalogue";
import { useResource } from "../state/resource";

const LISTED = 8;
const LISTS: ["open" | "shelved" | "out_of_service", Key][] = [
  ["open", "shift.open"],
  ["shelved", "shift.shelved"],
  ["out_of_service", "shift.outOfService"],
];

/** The handover that waits, the one to come, and those that were. */
export function Handovers() {
  const [resource, reload] = useResource("handovers", desk.handovers);
  const [note, setNote] = useState("");
  const [problem, setProblem] = useState("");
  const data = resource.value.data;
  const act = (work: Promise<desk.Handover>) =>
    void work.then(
      () => (setNote(""), setProblem(""), reload()),
      (error: unknown) => setProblem(error instanceof TwinError ? error.message : String(error)),
    );
  if (!data) return null;
  const waiting = data.items.find((one) => one.taken === null);
  return (
    <aside class="shift-handovers">
      <section class="panel">
        <h2>{t(waiting ? "shift.waits" : "shift.handOver")}</h2>
        {waiting ? <Handed handover={waiting} /> : <State snapshot={data.now} />}
        <Needs right="operate">
          <form
            class="shift-write"
            onSubmit={(event) => {
              event.preventDefault();
              act(waiting ? desk.take(waiting.id, note) : desk.give(note));
            }}
          >
            <label>
              <span>{t(waiting ? "shift.remark" : "shift.note")}</span>
              <textarea rows={3} maxLength={10_000} value={note} onInput={(event) => setNote(event.currentTarget.value)} />
            </label>
            {problem && <p role="alert">{problem}</p>}
            <button type="submit" class="button primary">
              {t(waiting ? "shift.take" : "shift.give")}
            </button>
          </form>
        </Needs>
      </section>
      {data.items.some((one) => one.taken) && (
        <section class="panel">
          <h2>{t("shift.before")}</h2>
          <ol>
            {data.items
              .filter((one) => one.taken)
              .map((one) => (
                <li key={one.id}>
                  <details>
                    <summary>
                      <span class="num">{format.shortMoment(Date.parse(one.at), zone.value)}</span> {one.giver} → {one.taker}
                    </summary>
                    <Handed handover={one} />
                  </details>
                </li>
              ))}
          </ol>
        </section>
      )}
    </aside>
  );
}

function Handed({ handover }: { handover: desk.Handover }) {
  return (
    <>
      <p class="muted">
        {handover.giver}, <span class="num">{format.shortMoment(Date.parse(handover.at), zone.value)}</span>
      </p>
      {handover.note && <p class="shift-text">{handover.note}</p>}
      <State snapshot={handover.snapshot} />
      {handover.remark && (
        <p class="shift-text">
          {handover.taker}: {handover.remark}
        </p>
      )}
    </>
  );
}

function State({ snapshot }: { snapshot: desk.Snapshot }) {
  return (
    <dl class="shift-state">
      {LISTS.map(([name, text]) => (
        <div key={name}>
          <dt>
            {t(text)} <span class="num">{snapshot[name].length}</span>
          </dt>
          <dd>
            {snapshot[name].slice(0, LISTED).map((alarm) => (
              <span key={alarm.id} class="shift-alarm" title={alarm.key}>
                <span class="num">#{alarm.id}</span> {alarm.label || alarm.key}
                {alarm.why && <q>{alarm.why}</q>}
              </span>
            ))}
            {snapshot[name].length > LISTED && <span class="muted">{t("shift.more", { n: snapshot[name].length - LISTED })}</span>}
          </dd>
        </div>
      ))}
      {snapshot.silent_nodes.length > 0 && (
        <div>
          <dt>{t("shift.silent")}</dt>
          <dd>{snapshot.silent_nodes.join(", ")}</dd>
        </div>
      )}
    </dl>
  );
}
