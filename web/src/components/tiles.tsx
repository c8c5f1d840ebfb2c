import { useState } from "preact/hooks";
import type { Point } from "../api/types";
import { t } from "../i18n";
import { useInterest } from "../state/interest";
import { useSparks } from "../state/sparks";
import { ValueTile } from "./value_tile";

/** As many as one history call feeds; the rest are shown when asked for. */
const TILES_STEP = 60;

/** The values of a place or device, live and with their last hour. */
export function Tiles({ points, device = true }: { points: readonly Point[]; device?: boolean }) {
  const [count, setCount] = useState(TILES_STEP);
  const shown = points.slice(0, count);
  const ids = shown.map((point) => point.id);
  useInterest(ids);
  useSparks(ids);
  return (
    <>
      <section class="tiles" aria-label={t("place.values")}>
        {shown.map((point) => (
          <ValueTile key={point.id} point={point} device={device} />
        ))}
      </section>
      {points.length > count && (
        <button type="button" class="button" onClick={() => setCount(count + TILES_STEP)}>
          {t("overview.more", { n: points.length - count })}
        </button>
      )}
    </>
  );
}
