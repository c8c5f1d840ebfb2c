import { useState } from "preact/hooks";
import { photoUrl } from "../api/drones";
import type { ElementVerdict, FlightPhoto } from "../api/drone_types";
import { t } from "../i18n";
import * as format from "../i18n/format";
import { zone } from "../state/catalogue";
import { setScene } from "../state/route";
import { ofVerdict } from "../state/verdicts";
import "../styles/drones.css";
import { VERDICT_TEXT, VerdictMark } from "./legend_rows";
import { PhotoDialog } from "./photo_dialog";

const VERDICTS_SHOWN = 8;
const PHOTOS_SHOWN = 12;

/** What scans said of an element, the newest first; a click shows that scan in the model. */
export function VerdictHistory({ verdicts }: { verdicts: readonly ElementVerdict[] }) {
  if (!verdicts.length) return null;
  return (
    <section class="panel-verdicts" aria-label={t("element.verdicts")}>
      <h3>{t("element.verdicts")}</h3>
      <ol>
        {verdicts.slice(0, VERDICTS_SHOWN).map((one) => (
          <li key={one.scan}>
            <VerdictMark shade={ofVerdict(one)} />
            <button type="button" class="verdict-link" onClick={() => setScene({ scan: one.scan, shade: "verdict" })}>
              {t(VERDICT_TEXT[ofVerdict(one)])}
              {one.p_built !== null && one.verdict !== "unknown" && <span class="num muted"> {format.percent(one.verdict === "built" ? one.p_built : 1 - one.p_built)}</span>}
            </button>
            <span class="num muted">{one.deviation_mm ? `${format.number(one.deviation_mm.mean ?? 0)} mm` : ""}</span>
            <span class="num muted">{one.at ? format.shortMoment(Date.parse(one.at), zone.value) : "–"}</span>
            <span class="verdict-rays muted">{t("element.rays", { for: format.number(one.supported), against: format.number(one.pierced), hidden: format.number(one.occluded) })}</span>
          </li>
        ))}
      </ol>
    </section>
  );
}

/** Photos of drones that see an element. */
export function ElementPhotos({ photos }: { photos: readonly FlightPhoto[] }) {
  const [open, setOpen] = useState<FlightPhoto | null>(null);
  if (!photos.length) return null;
  return (
    <section aria-label={t("flights.photos")}>
      <h3>{t("flights.photos")}</h3>
      <ul class="photo-strip">
        {photos.slice(0, PHOTOS_SHOWN).map((photo) => (
          <li key={photo.id}>
            <button type="button" aria-label={t("photo.open", { name: photo.name })} onClick={() => setOpen(photo)}>
              <img src={photoUrl(photo.id)} alt="" loading="lazy" width="120" height="80" />
            </button>
          </li>
        ))}
      </ul>
      {open && <PhotoDialog photo={open} photos={photos} choose={setOpen} />}
    </section>
  );
}
