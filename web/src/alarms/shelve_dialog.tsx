import { useState } from "preact/hooks";
import * as queries from "../api/alarms";
import { TwinError } from "../api/http";
import { Dialog } from "../components/dialogs";
import { t } from "../i18n";
import * as format from "../i18n/format";

const HOUR_S = 3_600;
const REASONS = ["alarm.reasonKnown", "alarm.reasonRepair", "alarm.reasonTest"] as const;
const TIMES_S = [HOUR_S / 4, HOUR_S, 8 * HOUR_S, 24 * HOUR_S];

/** Silence for a stated while and a stated reason. */
export function ShelveDialog({ ids, close, done }: { ids: readonly number[]; close: () => void; done: () => void }) {
  const [reason, setReason] = useState("");
  const [forS, setForS] = useState(HOUR_S);
  const [problem, setProblem] = useState("");
  const shelve = (why: string) =>
    queries.act(ids, "shelve", { reason: why, for_s: forS }).then(
      () => (done(), close()),
      (error: unknown) => setProblem(error instanceof TwinError ? error.message : String(error)),
    );
  return (
    <Dialog title={t("alarm.shelveTitle")} close={close}>
      <form class="alarm-shelve" onSubmit={(event) => (event.preventDefault(), void shelve(reason))}>
        <fieldset>
          <legend>{t("alarm.shelveFor")}</legend>
          {TIMES_S.map((one) => (
            <label key={one}>
              <input type="radio" name="for" checked={one === forS} onChange={() => setForS(one)} />
              <span>{format.duration(one)}</span>
            </label>
          ))}
        </fieldset>
        <p class="alarm-because">{t("alarm.shelveBecause")}</p>
        <div class="alarm-ways" role="group" aria-label={t("alarm.shelveBecause")}>
          {REASONS.map((one) => (
            <button key={one} type="button" class="button" onClick={() => void shelve(t(one))}>
              {t(one)}
            </button>
          ))}
        </div>
        <label class="alarm-reason">
          <span>{t("alarm.reasonOther")}</span>
          <input type="text" required autoFocus maxLength={2_000} value={reason} onInput={(event) => setReason(event.currentTarget.value)} />
        </label>
        {problem && <p role="alert">{problem}</p>}
        <button type="submit" class="button primary" disabled={!reason.trim()}>
          {t("alarm.shelve")}
        </button>
      </form>
    </Dialog>
  );
}
