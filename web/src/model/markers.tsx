import { effect, signal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { Vector3 } from "three";
import type { Point } from "../api/types";
import { MarkerText } from "../components/marker_text";
import { points as catalogue, pointName } from "../state/catalogue";
import { conditionOf } from "../state/condition";
import { byInterest } from "../state/headlines";
import { useInterest } from "../state/interest";
import { scene, setScene } from "../state/route";
import { at, live } from "../state/time";
import { cell, frames } from "../state/values";
import { middleOf } from "./features";
import type { ParkModel } from "./park_model";

const MARKERS_MAX = 40;
const WIDE_PX = 84;
const TALL_PX = 26;
/** Fingers need more room than pointers. */
const TALL_TOUCH_PX = 46;
const SELECTED_FIRST = 100;
/** Points of one as-of request. */
const ASKED_MAX = 400;
/** Abnormal markers win their place over closer ones. */
const ABNORMAL_FIRST = 10;

interface Place {
  id: string;
  storey: string | null;
  position: Vector3;
  point: Point;
}

/** The sensors as small flags with live values, thinned so that none covers another: abnormal ones and near ones first. */
export function Markers({ model, of, storey }: { model: ParkModel; of: string | null; storey: string | null }) {
  const known = catalogue.value;
  const places = useMemo(() => placesIn(model, known.values(), of), [model, known, of]);
  const shown = useMemo(() => signal<readonly Place[]>([]), [model]);
  const host = useRef<HTMLDivElement>(null);
  const candidates = useMemo(() => places.filter((one) => storey === null || one.storey === storey), [places, storey]);

  useEffect(() => {
    const follow = () => {
      if (!host.current) return;
      const next = chosen(model, candidates);
      if (next.length !== shown.peek().length || next.some((one, i) => one !== shown.peek()[i])) shown.value = next;
      move(model, host.current, next);
    };
    follow();
    return model.stage.onFrame(follow);
  }, [model, candidates]);
  // in history a place is asked for before it is known whether it had a value then
  useEffect(
    () =>
      effect(() => {
        frames.value;
        if (!live.value) model.stage.draw();
      }),
    [model],
  );
  const list = shown.value;
  useEffect(() => void (host.current && move(model, host.current, list)), [list]);
  useInterest((live.value ? list : candidates.slice(0, ASKED_MAX)).map((one) => one.point.id));
  return (
    <div class="markers" ref={host}>
      {list.map((one) => (
        <button key={one.id} type="button" class="marker" data-id={one.id} data-selected={one.id === scene.value.element || undefined} tabIndex={-1} title={pointName(one.point)} onClick={() => setScene({ element: one.id })}>
          <MarkerText point={one.point} />
        </button>
      ))}
    </div>
  );
}

/** One flag a place: of the class that is shown, else what people look for first. */
function placesIn(model: ParkModel, points: Iterable<Point>, of: string | null): Place[] {
  const byPlace = new Map<string, Point[]>();
  for (const point of points) {
    if (point.kind === "pose" || (of && point.point_class !== of)) continue;
    const id = [point.element, point.space].find((one) => one !== null && model.row(one) >= 0);
    if (!id) continue;
    const group = byPlace.get(id);
    if (group) group.push(point);
    else byPlace.set(id, [point]);
  }
  return [...byPlace].map(([id, group]) => {
    const row = model.row(id);
    return { id, storey: model.features.storeys[row] ?? null, position: new Vector3(...middleOf(model.features, row)), point: byInterest(group)[0]! };
  });
}

function chosen(model: ParkModel, places: readonly Place[]): Place[] {
  const instant = at.peek();
  const selected = scene.peek().element;
  const tall = matchMedia("(max-width: 899px), (pointer: coarse)").matches ? TALL_TOUCH_PX : TALL_PX;
  const { value: section } = model.uniforms.section;
  const ranked = places.flatMap((place) => {
    const { position } = place;
    if (section.x * position.x + section.y * position.y + section.z * position.z > section.w) return [];
    const spot = model.stage.screenOf(position);
    if (!spot || spot.x < 0 || spot.y < 0 || spot.x > model.stage.host.clientWidth || spot.y > model.stage.host.clientHeight) return [];
    const reading = cell(place.point.id).peek();
    if (!live.peek() && reading === null && place.id !== selected) return [];
    const condition = conditionOf(place.point, reading, instant);
    const first = place.id === selected ? SELECTED_FIRST : condition !== "ok" && condition !== "silent" ? ABNORMAL_FIRST : 0;
    return [{ place, spot, rank: spot.depth - first }];
  });
  ranked.sort((a, b) => a.rank - b.rank);
  const taken: { x: number; y: number }[] = [];
  const found: Place[] = [];
  for (const { place, spot } of ranked) {
    if (taken.some((other) => Math.abs(other.x - spot.x) < WIDE_PX && Math.abs(other.y - spot.y) < tall)) continue;
    taken.push(spot);
    found.push(place);
    if (found.length === MARKERS_MAX) break;
  }
  return found.sort((a, b) => a.id.localeCompare(b.id));
}

function move(model: ParkModel, host: HTMLElement, places: readonly Place[]): void {
  const positions = new Map(places.map((one) => [one.id, one.position]));
  for (const element of host.children as HTMLCollectionOf<HTMLElement>) {
    const position = positions.get(element.dataset["id"]!);
    const spot = position && model.stage.screenOf(position);
    element.hidden = !spot;
    if (spot) element.style.transform = `translate(${spot.x.toFixed(1)}px, ${spot.y.toFixed(1)}px) translate(-50%, -50%)`;
  }
}
