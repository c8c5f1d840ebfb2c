import { useState } from "preact/hooks";
import { Icon } from "../components/icon";
import { t } from "../i18n";
import * as format from "../i18n/format";
import { unitText } from "../i18n/units";
import { zone } from "../state/catalogue";
import { may } from "../state/session";
import type { DevicePoint, Verdict } from "./calls";

type Say = (points: { point: number; verdict: Verdict; seen?: string; note?: string }[]) => Promise<void>;

/** One point: what the twin shows, what somebody said of it, and what to say. */
export function PointRow({ point, say }: { point: DevicePoint; say: Say }) {
  const [open, setOpen] = useState(false);
  const name = point.label.includes(":") ? point.label.slice(point.label.indexOf(":") + 1).trim() : point.label || point.metric;
  const told = point.verified;
  const done = (verdict: Verdict, seen: string, note: string) => say([{ point: point.id, verdict, seen, note }]).then(() => setOpen(false));
  return (
    <li class="verify-point" data-verdict={told?.verdict ?? "none"}>
      <div class="verify-line">
        <span class="verify-name">
          <strong>{name}</strong>
          <span class="muted">{point.metric}</span>
        </span>
        <span class="verify-value num" data-missing={point.value === null}>
          {point.value === null ? t("verify.noValue") : shown(point)}
        </span>
      </div>
      {told && (
        <p class="verify-told">
          <Icon name={told.verdict === "ok" ? "check" : "bad"} size={16} />
          <span>
            {t(told.verdict === "ok" ? "verify.saidOk" : "verify.saidWrong", { by: told.by, at: format.shortMoment(Date.parse(told.at), zone.value) })}
            {told.seen && <span class="num"> · {t("verify.saw", { seen: told.seen, shown: told.shown || "–" })}</span>}
            {told.note && <span> · {told.note}</span>}
          </span>
        </p>
      )}
      {may("change") && !open && (
        <div class="verify-acts">
          {told ? (
            <button type="button" class="button" onClick={() => void done("withdrawn", "", "")}>
              {t("verify.withdraw")}
            </button>
          ) : (
            <button type="button" class="button" onClick={() => void done("ok", "", "")}>
              <Icon name="check" size={16} />
              {t("verify.right")}
            </button>
          )}
          <button type="button" class="button" aria-expanded="false" onClick={() => setOpen(true)}>
            {t("verify.say")}
          </button>
        </div>
      )}
      {open && <Seen close={() => setOpen(false)} done={done} />}
    </li>
  );
}

function Seen({ close, done }: { close: () => void; done: (verdict: Verdict, seen: string, note: string) => void }) {
  const [seen, setSeen] = useState("");
  const [note, setNote] = useState("");
  return (
    <form class="verify-form" onSubmit={(event) => (event.preventDefault(), done("ok", seen, note))}>
      <label>
        {t("verify.seen")}
        <input type="text" inputMode="decimal" maxLength={100} value={seen} onInput={(event) => setSeen(event.currentTarget.value)} />
      </label>
      <label>
        {t("verify.note")}
        <input type="text" maxLength={500} value={note} onInput={(event) => setNote(event.currentTarget.value)} />
      </label>
      <div class="verify-acts">
        <button type="submit" class="button primary">
          <Icon name="check" size={16} />
          {t("verify.right")}
        </button>
        <button type="button" class="button" disabled={!seen.trim() && !note.trim()} onClick={() => done("wrong", seen, note)}>
          <Icon name="bad" size={16} />
          {t("verify.wrong")}
        </button>
        <button type="button" class="button" onClick={close}>
          {t("command.cancel")}
        </button>
      </div>
    </form>
  );
}

function shown(point: DevicePoint): string {
  const unit = unitText(point.unit);
  return typeof point.value === "string" ? point.value : `${format.value(point.value)}${unit && ` ${unit}`}`;
}
