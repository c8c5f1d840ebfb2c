import { effect, untracked } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { MarkerText } from "../components/marker_text";
import { Icon } from "../components/icon";
import type { Point } from "../api/types";
import * as format from "../i18n/format";
import { unitText } from "../i18n/units";
import { placeName, places, points as catalogue, pointName } from "../state/catalogue";
import { conditionOf } from "../state/condition";
import { byInterest } from "../state/headlines";
import { useInterest } from "../state/interest";
import { setScene } from "../state/route";
import { at, live } from "../state/time";
import { cell, frames } from "../state/values";
import type { Sheet, Spot } from "./sheet";

const NAME_PX_MIN = 78;
const VALUE_PX_MIN = 44;
const FLAGS_MAX = 60;
const FLAG_PX = [70, 26] as const;
const VALUES_MAX = 2;

interface Room {
  id: string;
  name: string;
  spot: Spot;
  points: Point[];
}

interface Flag {
  id: string;
  spot: Spot;
  point: Point;
}

/** Names and values of rooms, and the sensors, over the drawing; what would cover something else is left out. */
export function Labels({ sheet, of, flags }: { sheet: Sheet; of: string | null; flags: boolean }) {
  const known = catalogue.value;
  const tree = places.value;
  const host = useRef<HTMLDivElement>(null);
  const rooms = useMemo(() => roomsOn(sheet, known.values(), of), [sheet, known, tree, of]);
  const sensors = useMemo(() => (flags ? sensorsOn(sheet, known.values(), of) : []), [sheet, known, of, flags]);
  useInterest(useMemo(() => [...rooms.flatMap((room) => room.points), ...sensors.map((flag) => flag.point)].map((point) => point.id), [rooms, sensors]));
  useEffect(() => {
    const place = () => void (host.current && arrange(sheet, host.current, rooms, sensors));
    const stopMove = sheet.onMove(place);
    const stop = effect(() => {
      if (!live.value) frames.value;
      untracked(place);
    });
    return () => {
      stop();
      stopMove();
    };
  }, [sheet, rooms, sensors]);
  return (
    <div class="sheet-labels" ref={host}>
      {rooms.map((room) => (
        <button key={room.id} type="button" class="room-label" data-id={room.id} title={room.name} onClick={() => setScene({ element: room.id })}>
          <span class="room-name">{room.name}</span>
          <span class="room-values">
            {room.points.map((point) => (
              <RoomValue key={point.id} point={point} />
            ))}
          </span>
        </button>
      ))}
      {sensors.map((flag) => (
        <button key={flag.id} type="button" class="marker" data-id={flag.id} tabIndex={-1} title={pointName(flag.point)} onClick={() => setScene({ element: flag.id })}>
          <MarkerText point={flag.point} />
        </button>
      ))}
    </div>
  );
}

function RoomValue({ point }: { point: Point }) {
  const reading = cell(point.id).value;
  const condition = conditionOf(point, reading, at.value);
  return (
    <span class="room-value" data-condition={condition}>
      {condition !== "ok" && condition !== "silent" && <Icon name={condition} size={12} />}
      <span class="num">{format.brief(reading?.v ?? null)}</span> {unitText(point.unit)}
    </span>
  );
}

function roomsOn(sheet: Sheet, points: Iterable<Point>, of: string | null): Room[] {
  const inside = new Map<string, Point[]>();
  for (const point of points) {
    if (point.kind !== "value" || !point.space || (of && point.point_class !== of)) continue;
    inside.set(point.space, [...(inside.get(point.space) ?? []), point]);
  }
  return [...sheet.ids].flatMap((id) => {
    const spot = sheet.classOf(id) === "space" ? sheet.middle(id) : null;
    const place = places.peek().get(id);
    if (!spot) return [];
    return [{ id, spot, name: place ? placeName(place.node) : "", points: onePerClass(byInterest(inside.get(id) ?? [])) }];
  });
}

/** The plainest point of each class, at most two: what a newcomer wants to know of a room. */
function onePerClass(points: readonly Point[]): Point[] {
  const best = new Map<string, Point>();
  for (const point of points) {
    const old = best.get(point.point_class);
    if (point.point_class && (!old || point.metric.length < old.metric.length)) best.set(point.point_class, point);
  }
  return [...best.values()].slice(0, VALUES_MAX);
}

function sensorsOn(sheet: Sheet, points: Iterable<Point>, of: string | null): Flag[] {
  const groups = new Map<string, Point[]>();
  for (const point of points) {
    // with one quantity chosen the rooms say it themselves
    if (point.kind === "pose" || !point.element || (of && (point.point_class !== of || (point.space && sheet.shape(point.space)))) || sheet.classOf(point.element) === "space") continue;
    if (sheet.shape(point.element)) groups.set(point.element, [...(groups.get(point.element) ?? []), point]);
  }
  return [...groups].map(([id, group]) => ({ id, spot: sheet.middle(id)!, point: byInterest(group)[0]! }));
}

/** Rooms first, as far as their room on the screen goes; then sensors where nothing is yet. */
function arrange(sheet: Sheet, host: HTMLElement, rooms: readonly Room[], sensors: readonly Flag[]): void {
  const elements = new Map([...(host.children as HTMLCollectionOf<HTMLElement>)].map((one) => [one.dataset["id"]!, one]));
  const taken: { x: number; y: number; w: number; h: number }[] = [];
  const put = (element: HTMLElement, spot: Spot) => (element.style.transform = `translate(${spot.x.toFixed(1)}px, ${spot.y.toFixed(1)}px) translate(-50%, -50%)`);
  const valueMin = sheet.host.dataset["site"] ? NAME_PX_MIN : VALUE_PX_MIN; // the map has the names of houses on it
  for (const room of rooms) {
    const element = elements.get(room.id);
    if (!element) continue;
    const { width, height } = sheet.sizeOf(room.id);
    const small = width < NAME_PX_MIN || height < 40;
    element.hidden = width < valueMin || height < 20 || (small && !room.points.length);
    element.dataset["size"] = small ? "small" : "full";
    element.style.maxWidth = `${Math.max(VALUE_PX_MIN, width - 8)}px`;
    const spot = sheet.screenOf(room.spot);
    put(element, spot);
    if (!element.hidden) taken.push({ ...spot, w: Math.min(width, 120) / 2, h: 20 });
  }
  let shown = 0;
  for (const flag of sensors) {
    const element = elements.get(flag.id);
    if (!element) continue;
    const spot = sheet.screenOf(flag.spot);
    const [w, h] = [FLAG_PX[0] / 2, FLAG_PX[1] / 2];
    element.hidden = shown >= FLAGS_MAX || (!live.peek() && cell(flag.point.id).peek() === null) || taken.some((one) => Math.abs(one.x - spot.x) < one.w + w && Math.abs(one.y - spot.y) < one.h + h);
    put(element, spot);
    if (element.hidden) continue;
    taken.push({ ...spot, w, h });
    shown++;
  }
}
