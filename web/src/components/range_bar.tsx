import type { Point } from "../api/types";
import * as format from "../i18n/format";

/** Where a value lies between its limits. The limits sit at 15 % and 85 %, so that beyond them there is room to see how far. */
export function RangeBar({ point, value }: { point: Pick<Point, "low" | "high">; value: number | null }) {
  const { low, high } = point;
  if (low === null || high === null || high <= low) return null;
  const at = value === null ? null : place(value, low, high);
  return (
    <div class="range-bar" aria-hidden="true">
      <div class="range-track">
        <span class="range-normal" />
        {at !== null && <span class="range-needle" style={{ insetInlineStart: `${at * 100}%` }} />}
      </div>
      <div class="range-ends">
        <span>{format.value(low)}</span>
        <span>{format.value(high)}</span>
      </div>
    </div>
  );
}

/** 0..1 along the bar, clamped at its ends. */
export function place(value: number, low: number, high: number): number {
  const inside = (value - low) / (high - low);
  return Math.min(1, Math.max(0, 0.15 + inside * 0.7));
}
