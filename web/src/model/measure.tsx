import { useLayoutEffect, useMemo, useState } from "preact/hooks";
import { Vector3 } from "three";
import { t } from "../i18n";
import * as format from "../i18n/format";
import type { ParkModel } from "./park_model";

export interface Measure {
  on: boolean;
  ends: readonly Vector3[];
  toggle: () => void;
  add: (end: Vector3) => void;
}

/** Two places of the model and what lies between them; a third begins anew. */
export function useMeasure(model: ParkModel): Measure {
  const [on, setOn] = useState(false);
  const [ends, setEnds] = useState<readonly Vector3[]>([]);
  useLayoutEffect(() => model.stage.ink(ends.length === 2 ? inked(ends) : []), [model, ends]);
  return useMemo(
    () => ({
      on,
      ends,
      toggle: () => (setOn(!on), setEnds([])),
      add: (end) => setEnds((now) => (now.length === 1 ? [now[0]!, end] : [end])),
    }),
    [on, ends],
  );
}

/** The straight line, and the way along the ground and up. */
function inked(ends: readonly Vector3[]): Vector3[] {
  const [a, b] = [ends[0]!, ends[1]!];
  const corner = new Vector3(b.x, a.y, b.z);
  return [a, b, a, corner, corner, b];
}

export function MeasureLabel({ measure }: { measure: Measure }) {
  if (!measure.on) return null;
  const [a, b] = measure.ends;
  const metres = (v: number) => `${format.number(v, 2, 2)} m`;
  return (
    <p class="stage-note measure" role="status">
      {a && b ? (
        <>
          <strong class="num">{metres(a.distanceTo(b))}</strong>
          <span class="num muted">
            {t("model.across")} {metres(Math.hypot(b.x - a.x, b.z - a.z))}
          </span>
          <span class="num muted">
            {t("model.height")} {metres(Math.abs(b.y - a.y))}
          </span>
        </>
      ) : (
        t(a ? "model.measureSecond" : "model.measureFirst")
      )}
    </p>
  );
}
