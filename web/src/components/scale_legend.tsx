import * as format from "../i18n/format";
import { unitText } from "../i18n/units";
import { RAMP_CSS } from "../state/palette";

/** A colour scale with its quantity, its ends and its unit. */
export function ScaleLegend({ name, range: [low, high], unit }: { name: string; range: readonly [number, number]; unit: string }) {
  return (
    <div class="scale-legend">
      <p>
        {name} <span class="muted">{unitText(unit)}</span>
      </p>
      <div class="scale" style={{ background: RAMP_CSS }} />
      <p class="scale-ends num">
        <span>{format.number(low, 2)}</span>
        <span>{format.number((low + high) / 2, 2)}</span>
        <span>{format.number(high, 2)}</span>
      </p>
    </div>
  );
}
