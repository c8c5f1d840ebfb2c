import { signal } from "@preact/signals";
import { Box3, Vector3 } from "three";
import type { TileSet } from "../api/model_types";
import type { ElementDates } from "../state/element_dates";
import { ColourTexture, DatesTexture } from "./feature_textures";
import { builtBox, loadFeatures, middleOf, sizeOf, type Features } from "./features";
import { planVectors, type Paints } from "./painter";
import type { PlanShade } from "../components/legend_rows";
import { KEYHOLE_DEPTH, planShade, sharedUniforms, type SharedUniforms } from "./shader";
import { boxOf, Stage } from "./stage";
import { dispose, loadTiles, pick, type Hit, type LoadedTile } from "./tiles";

const SOLID_ALPHA_MIN = 0.3;
const SNAP_PX = 14;
/** While tiles arrive the picture follows this often. */
const ARRIVING_MS = 300;
/** A minute: less changes nothing that a plan says. */
const DAYS_SEEN = 1 / 1_440;
/** Around the selected element so much more is seen; what is larger than this hides behind nothing. */
const KEYHOLE_M = 2.6;
const KEYHOLE_SIZE_M_MAX = 30;
/** A single sensor is looked at with its surroundings. */
const SURROUNDINGS_M = 7;

export type Axis = "up" | "east" | "north";
const NORMALS: Record<Axis, [number, number, number]> = { up: [0, 1, 0], east: [1, 0, 0], north: [0, 0, -1] };

export interface Section {
  axis: Axis;
  /** where along the model, 0 … 1 */
  share: number;
  flipped: boolean;
}

/** The park in 3D: tiles with their feature textures on a stage, and what can be done with them. */
export class ParkModel {
  readonly stage: Stage;
  readonly tiles: LoadedTile[] = [];
  readonly uniforms: SharedUniforms;
  /** counts the pages of dates that were taken in */
  readonly dated = signal(0);
  private byPlan = false;

  private constructor(
    host: HTMLElement,
    readonly set: TileSet,
    readonly features: Features,
    readonly colours: ColourTexture,
    readonly dates: DatesTexture,
  ) {
    this.stage = new Stage(host);
    this.uniforms = sharedUniforms(colours.texture, dates.texture);
    this.stage.onBefore(() => void colours.flush());
    this.stage.home(this.built(), false);
  }

  /** The features first, then tile after tile; `progress` hears how many are there. Raises when there is no WebGL. */
  static async open(host: HTMLElement, set: TileSet, base: string, signal: AbortSignal): Promise<ParkModel> {
    const features = await loadFeatures(base + set.feature_table, signal);
    signal.throwIfAborted();
    return new ParkModel(host, set, features, new ColourTexture(features.count), new DatesTexture(features.count));
  }

  async load(base: string, signal: AbortSignal, progress: (done: number) => void): Promise<void> {
    let drawnAt = 0;
    await loadTiles(this.set, base, this.uniforms, signal, (tile) => {
      this.tiles.push(tile);
      this.stage.scene.add(tile.group);
      progress(this.tiles.length);
      if (performance.now() - drawnAt < ARRIVING_MS) return;
      drawnAt = performance.now();
      this.stage.draw();
    });
    this.stage.draw();
  }

  wear(paints: Paints): void {
    const part = (rgb: number): [number, number, number] => [(rgb >> 16) / 255, ((rgb >> 8) & 255) / 255, (rgb & 255) / 255];
    planVectors(paints, this.uniforms.planColours.value);
    this.uniforms.accent.value.set(...part(paints.accent));
    this.uniforms.ink.value.set(...part(paints.lines));
    this.uniforms.cutColour.value.set(...part(paints.dark));
    this.stage.paper(paints.paper, paints.ink);
  }

  setDates(rows: readonly [string, ElementDates][]): void {
    for (const [id, dates] of rows) {
      const row = this.features.rowOf.get(id);
      if (row !== undefined) this.dates.set(row, dates);
    }
    this.dated.value++;
    this.stage.draw();
  }

  /** Colours by plan at an instant: one number goes to the graphics card. */
  showPlan(on: boolean, atMs: number, plannedOnly: boolean): void {
    const { byPlan, plannedOnly: only, days } = this.uniforms;
    const next = this.dates.days(atMs);
    const same = this.byPlan === on && only.value > 0.5 === plannedOnly && Math.abs(days.value - next) < DAYS_SEEN;
    if (same) return;
    this.byPlan = on;
    byPlan.value = on ? 1 : 0;
    only.value = plannedOnly ? 1 : 0;
    days.value = next;
    this.stage.draw();
  }

  /** How many of the features that can be seen are in each plan state. */
  planCounts(): Record<PlanShade, number> {
    const counts: Record<PlanShade, number> = { finished: 0, progress: 0, late: 0, ahead: 0, unlinked: 0 };
    for (let row = 0; row < this.features.count; row++) if (this.colours.alphaOf(row) > 0) counts[this.stateOf(row)]++;
    return counts;
  }

  stateOf(row: number): PlanShade {
    return planShade(this.dates.data, row * 4, this.uniforms.days.value, this.uniforms.plannedOnly.value > 0.5);
  }

  /** One storey alone, with what belongs to none of them left out; null shows everything. */
  isolate(storey: string | null): void {
    for (const { tile, group } of this.tiles) group.visible = storey === null || tile.storey === storey;
    this.stage.draw();
  }

  cut(section: Section | null): void {
    const { value } = this.uniforms.section;
    if (!section) value.set(0, 0, 0, 1);
    else {
      const normal = new Vector3(...NORMALS[section.axis]);
      const ends = this.reach(normal);
      const at = ends[0] + (ends[1] - ends[0]) * section.share;
      if (section.flipped) value.set(-normal.x, -normal.y, -normal.z, -at);
      else value.set(normal.x, normal.y, normal.z, at);
    }
    this.stage.draw();
  }

  /** Where a section at this share stands, in metres of the model from the set's origin. */
  cutAt({ axis, share }: Section): number {
    const [low, high] = this.reach(new Vector3(...NORMALS[axis]));
    return low + (high - low) * share;
  }

  /** Mark an element; what hides it from the eye gives way. */
  select(id: string | null): void {
    const row = this.row(id);
    this.uniforms.selected.value = row;
    const size = row < 0 ? Infinity : sizeOf(this.features, row);
    if (size > KEYHOLE_SIZE_M_MAX) this.uniforms.keyhole.value.set(0, 0, 0, 0);
    else this.uniforms.keyhole.value.set(...middleOf(this.features, row), size * 0.6 + KEYHOLE_M);
    this.stage.draw();
  }

  /** Is a place left out because it stands between the eye and the selected element? */
  private inKeyhole(place: Vector3): boolean {
    const { x, y, z, w } = this.uniforms.keyhole.value;
    if (w <= 0) return false;
    const eye = this.stage.camera.position;
    const way = new Vector3(x, y, z).sub(eye);
    const far = way.length();
    const ray = place.clone().sub(eye);
    const along = ray.dot(way) / far;
    return along < far - w * KEYHOLE_DEPTH && ray.addScaledVector(way, -along / far).length() < (w * along) / far;
  }

  hover(row: number): void {
    if (this.uniforms.hovered.value === row) return;
    this.uniforms.hovered.value = row;
    this.stage.draw();
  }

  /** These stand out, all others step back; none: everything as it is. How many of them the model has. */
  highlight(ids: readonly string[]): number {
    const rows = new Set(ids.map((id) => this.row(id)).filter((row) => row >= 0));
    for (let row = 0; row < this.features.count; row++) this.colours.highlight(row, rows.has(row));
    this.uniforms.dimOthers.value = rows.size ? 1 : 0;
    this.stage.draw();
    return rows.size;
  }

  /** What is under a place of the window: first what is solid, then ghosts. */
  pickAt(clientX: number, clientY: number): Hit | null {
    const ray = this.stage.rayAt(clientX, clientY);
    const { value: section } = this.uniforms.section;
    const { value: selected } = this.uniforms.selected;
    const open = (row: number, p: Vector3) => section.x * p.x + section.y * p.y + section.z * p.z <= section.w && (row === selected || !this.inKeyhole(p));
    return (
      pick(this.tiles, ray, (row, p) => this.alphaOf(row) >= SOLID_ALPHA_MIN && open(row, p)) ??
      pick(this.tiles, ray, (row, p) => this.alphaOf(row) > 0.02 && open(row, p))
    );
  }

  /** The corner of the hit triangle that is close on the screen, else the place itself. */
  snap({ point, corners }: Hit): Vector3 {
    const here = this.stage.screenOf(point);
    const near = corners
      .map((corner) => ({ corner, at: this.stage.screenOf(corner) }))
      .filter((one) => here && one.at && Math.hypot(one.at.x - here.x, one.at.y - here.y) < SNAP_PX)
      .sort((a, b) => a.corner.distanceTo(point) - b.corner.distanceTo(point))[0];
    return (near?.corner ?? point).clone();
  }

  flyTo(ids: readonly string[]): void {
    const box = new Box3();
    for (const id of ids) {
      const row = this.row(id);
      if (row >= 0) box.union(this.boxOf(row));
    }
    if (box.isEmpty()) return;
    const size = box.getSize(new Vector3());
    this.stage.frameBox(box.expandByScalar(Math.max(0, SURROUNDINGS_M - Math.max(size.x, size.y, size.z)) / 2));
  }

  home(): void {
    this.stage.home(this.built());
  }

  row(id: string | null): number {
    return (id !== null ? this.features.rowOf.get(id) : undefined) ?? -1;
  }

  /** Everything to the graphics card again. */
  renew(): void {
    this.colours.renew();
    this.dates.texture.needsUpdate = true;
    this.stage.draw();
  }

  dispose(): void {
    for (const tile of this.tiles) dispose(tile);
    this.colours.texture.dispose();
    this.dates.texture.dispose();
    this.stage.dispose();
  }

  /** The buildings; where nothing belongs to a storey, everything. */
  private built(): Box3 {
    const box = builtBox(this.features);
    return box ? new Box3(new Vector3(...box.min), new Vector3(...box.max)) : boxOf(this.set);
  }

  private boxOf(row: number): Box3 {
    const [x0, y0, z0, x1, y1, z1] = this.features.boxes.subarray(row * 6, row * 6 + 6) as unknown as [number, number, number, number, number, number];
    return boxOf({ bounds_m: [x0, y0, z0, x1, y1, z1] });
  }

  private alphaOf(row: number): number {
    const own = row === this.uniforms.selected.value ? Math.max(0.6, this.colours.alphaOf(row)) : this.colours.alphaOf(row);
    const ghost = this.byPlan && this.stateOf(row) === "ahead" ? 0.12 : 1;
    const back = this.uniforms.dimOthers.value && !(this.colours.data[row * 4 + 3]! & 1) ? 0.13 : 1;
    return own * ghost * back;
  }

  private reach(normal: Vector3): [number, number] {
    const { min, max } = boxOf(this.set);
    const ends = [min.dot(normal), max.dot(normal)];
    return [Math.min(...ends) - 0.01, Math.max(...ends) + 0.01];
  }
}
