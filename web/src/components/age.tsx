import { t } from "../i18n";
import * as format from "../i18n/format";
import { zone } from "../state/catalogue";
import { nowMs } from "../state/time";

/** How long ago, ticking; the exact moment on hover. */
export function Age({ ms }: { ms: number }) {
  const seconds = (nowMs.value - ms) / 1000;
  return (
    <time class="age num" dateTime={new Date(ms).toISOString()} title={format.moment(ms, zone.value)}>
      {seconds < 2 ? t("age.now") : t("age.ago", { age: format.duration(seconds) })}
    </time>
  );
}
