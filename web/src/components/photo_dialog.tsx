import { useState } from "preact/hooks";
import { photoUrl } from "../api/drones";
import type { FlightPhoto } from "../api/drone_types";
import { t } from "../i18n";
import * as format from "../i18n/format";
import { zone } from "../state/catalogue";
import { seek } from "../state/time";
import { Dialog } from "./dialogs";
import { Icon } from "./icon";

type Shown = Pick<FlightPhoto, "id" | "name" | "ts"> & { elements?: number };

/** One photo large, with its neighbours one key away and the way to its moment. */
export function PhotoDialog<P extends Shown>({ photo, photos, choose }: { photo: P; photos: readonly P[]; choose: (photo: P | null) => void }) {
  const [missing, setMissing] = useState(false);
  const place = photos.findIndex((one) => one.id === photo.id);
  const step = (by: 1 | -1) => {
    const next = photos[place + by];
    if (next) (setMissing(false), choose(next));
  };
  const ms = photo.ts ? Date.parse(photo.ts) : null;
  return (
    <Dialog title={photo.name} close={() => choose(null)} wide>
      <div class="photo-large" onKeyDown={(event) => (event.key === "ArrowRight" ? step(1) : event.key === "ArrowLeft" && step(-1))}>
        {missing ? <p role="alert">{t("photo.missing")}</p> : <img src={photoUrl(photo.id)} alt={photo.name} onError={() => setMissing(true)} />}
        <div class="photo-bar">
          <button type="button" class="icon-button" aria-label={t("photo.previous")} disabled={place <= 0} onClick={() => step(-1)}>
            <Icon name="back" />
          </button>
          <span class="num muted">
            {place + 1} / {photos.length}
          </span>
          <button type="button" class="icon-button" aria-label={t("photo.next")} disabled={place >= photos.length - 1} onClick={() => step(1)}>
            <Icon name="forward" />
          </button>
          {photo.elements !== undefined && <span class="muted">{t("count.elements", { n: photo.elements })}</span>}
          {ms !== null && (
            <button type="button" class="button" onClick={() => (seek(ms), choose(null))}>
              <Icon name="stale" size={14} />
              {format.shortMoment(ms, zone.value)}
            </button>
          )}
        </div>
      </div>
    </Dialog>
  );
}
