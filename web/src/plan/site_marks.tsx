import { useEffect, useMemo, useRef } from "preact/hooks";
import type { TileSet } from "../api/model_types";
import { Icon } from "../components/icon";
import { t } from "../i18n";
import * as format from "../i18n/format";
import { placeName, placeOf, places, points, site, tree } from "../state/catalogue";
import { alarmSpans } from "../state/alarm_spans";
import { go, scene } from "../state/route";
import { at } from "../state/time";
import type { Sheet } from "./sheet";

const SCALE_PX_MAX = 140;
const ABOVE_PX = 6;
const NICE_M = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000];

/** A building and the middle of its northern edge, metres from the origin of the tile set. */
interface House {
  id: string;
  name: string;
  storey: string;
  x: number;
  y: number;
}

/** Over the map of the site: its buildings with what is abnormal in them, the way to true north and the scale. */
export function SiteMarks({ sheet, set }: { sheet: Sheet; set: TileSet }) {
  const known = tree.value;
  const ringing = alarmedHouses();
  const houses = useMemo(() => housesOf(set), [set, known]);
  const host = useRef<HTMLDivElement>(null);
  const bar = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const follow = () => {
      if (!host.current) return; // the sheet can move between its leaving the page and the end of this effect
      arrange(sheet, [...(host.current.children as HTMLCollectionOf<HTMLElement>)]);
      if (bar.current) scaleBar(bar.current, sheet.scale);
    };
    follow();
    return sheet.onMove(follow);
  }, [sheet, houses]);
  const north = site.value?.frame?.true_north_deg;
  return (
    <>
      <div class="sheet-labels site-houses" ref={host}>
        {houses.map((house) => (
          <button key={house.id} type="button" class="house-label" data-x={house.x} data-y={house.y} data-id={house.id} onClick={() => go({ view: "plan", ...scene.value, storey: house.storey })} title={t("map.openHouse", { name: house.name })}>
            {house.name}
            {ringing.has(house.id) && (
              <span class="house-abnormal num">
                <Icon name="high" size={11} /> {t("mark.standing", { n: ringing.get(house.id)! })}
              </span>
            )}
          </button>
        ))}
      </div>
      <div class="map-corner" aria-hidden="true">
        {typeof north === "number" && <North degrees={north} />}
        <div class="scale-bar" ref={bar} />
      </div>
    </>
  );
}

/** Names above their houses; of two that would cover each other the one with alarms stays. */
function arrange(sheet: Sheet, labels: readonly HTMLElement[]): void {
  const taken: { x: number; y: number; w: number; h: number }[] = [];
  for (const label of [...labels].sort((a, b) => b.childElementCount - a.childElementCount)) {
    const { x, y } = sheet.screenOf(sheet.spotOf(Number(label.dataset["x"]), Number(label.dataset["y"])));
    const [w, h] = [label.offsetWidth, label.offsetHeight];
    const covered = taken.some((one) => Math.abs(one.x - x) < (one.w + w) / 2 && y > one.y - one.h && y - h < one.y);
    label.style.visibility = covered ? "hidden" : "";
    label.style.transform = `translate(${x.toFixed(1)}px, ${y.toFixed(1)}px) translate(-50%, calc(-100% - ${ABOVE_PX}px))`;
    if (!covered) taken.push({ x, y, w, h });
  }
}

/** An arrow to true north, so many degrees clockwise of the sheet's upper edge. */
function North({ degrees }: { degrees: number }) {
  const turn = (degrees * Math.PI) / 180;
  return (
    <svg class="north" width="44" height="44" viewBox="-22 -22 44 44">
      <path d="M0 -11 5 9 0 5 -5 9Z" transform={`rotate(${degrees})`} />
      <text x={Math.sin(turn) * 17} y={-Math.cos(turn) * 17}>
        {t("map.north")}
      </text>
    </svg>
  );
}

/** How many alarms stand in each building at the instant shown. */
function alarmedHouses(): Map<string, number> {
  const found = new Map<string, number>();
  for (const { point, from, to } of alarmSpans.value) {
    const bound = point === null || from > at.value || (to ?? Infinity) < at.value ? undefined : points.value.get(point);
    const place = bound && placeOf(bound);
    const house = place && [...place.parents, place.node].find((one) => one.type === "IfcBuilding");
    if (house) found.set(house.id, (found.get(house.id) ?? 0) + 1);
  }
  return found;
}

/** The buildings where their storeys are drawn. */
function housesOf(set: TileSet): House[] {
  const boxes = new Map<string, [number, number, number, number, string]>();
  for (const { storey, bounds_m: [x0, y0, x1, y1] } of set.plans) {
    const house = places.peek().get(storey)?.parents.findLast((one) => one.type === "IfcBuilding");
    if (!house) continue;
    const old = boxes.get(house.id);
    boxes.set(house.id, old ? [Math.min(old[0], x0), Math.min(old[1], y0), Math.max(old[2], x1), Math.max(old[3], y1), old[4]] : [x0, y0, x1, y1, storey]);
  }
  return [...boxes].map(([id, [x0, , x1, y1, storey]]) => ({
    id, storey, x: (x0 + x1) / 2, y: y1, name: placeName(places.peek().get(id)!.node),
  }));
}

/** A round length that fits, drawn to scale. */
function scaleBar(bar: HTMLElement, pixelsPerMetre: number): void {
  const metres = NICE_M.findLast((m) => m * pixelsPerMetre <= SCALE_PX_MAX) ?? NICE_M[0]!;
  bar.style.width = `${metres * pixelsPerMetre}px`;
  bar.textContent = `${format.number(metres)} m`;
}
