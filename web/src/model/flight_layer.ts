import { BufferGeometry, DoubleSide, Float32BufferAttribute, Group, LineBasicMaterial, LineLoop, LineSegments, Mesh, MeshBasicMaterial, SRGBColorSpace, TextureLoader, Vector3 } from "three";
import { Line2 } from "three/examples/jsm/lines/Line2.js";
import { LineGeometry } from "three/examples/jsm/lines/LineGeometry.js";
import { LineMaterial } from "three/examples/jsm/lines/LineMaterial.js";
import { photoUrl } from "../api/drones";
import type { FlightPhoto, Pose, Track } from "../api/drone_types";
import { placesOf, type Placed } from "../state/track";
import { droneShape, type DroneShape } from "./drone_shape";
import type { ParkModel } from "./park_model";
import { attitude, sceneOf } from "./places";

const LINE_PX = 3;
const DRONE_PX = 26;
/** A frustum is seen from afar, too, and never covers the site. */
const FRUSTUM_SIZE_MAX = 3;

/** The way of a flight, drones where they are, and photos on what they show. */
export class FlightLayer {
  private readonly group = new Group();
  private readonly way = new Line2(new LineGeometry(), new LineMaterial({ linewidth: LINE_PX, transparent: true, opacity: 0.35, depthTest: false }));
  private readonly flown = new Line2(new LineGeometry(), new LineMaterial({ linewidth: LINE_PX }));
  private readonly feet = new LineSegments(new BufferGeometry(), new LineBasicMaterial({ transparent: true, opacity: 0.45 }));
  private readonly drones = new Map<string, DroneShape>();
  private readonly shown = new Group();
  private places: readonly Placed[] = [];
  /** places of the way that are drawn strongly, and what was last drawn of the drones: what stays the same is not drawn again */
  private flownOf = 0;
  private seen = "[]";
  private accent = "#1d5a9e";

  constructor(
    private readonly model: ParkModel,
    private readonly north_deg: number,
  ) {
    for (const line of [this.way, this.flown, this.feet]) {
      line.visible = false;
      line.frustumCulled = false;
      line.renderOrder = 5;
    }
    this.group.add(this.way, this.flown, this.feet, this.shown);
    model.stage.scene.add(this.group);
  }

  wear(accent: string): void {
    this.accent = accent;
    for (const line of [this.way, this.flown]) line.material.color.set(accent);
    this.feet.material.color.set(accent);
    for (const drone of this.drones.values()) drone.wear(accent);
    this.model.stage.draw();
  }

  /** Draw the way of a flight; null takes it away. */
  track(track: Track | null): void {
    this.places = track ? placesOf(track) : [];
    const points = this.points(this.places);
    this.way.visible = points.length > 3;
    this.flown.visible = false;
    this.flownOf = 0;
    if (this.way.visible) {
      this.way.geometry.dispose();
      this.way.geometry = new LineGeometry().setPositions(points);
    }
    this.model.stage.draw();
  }

  /** What was flown by an instant is drawn strongly. */
  instant(ms: number): void {
    const flown = this.places.filter((one) => one.at <= ms);
    if (flown.length === this.flownOf) return;
    this.flownOf = flown.length;
    const points = this.points(flown);
    this.flown.visible = points.length > 3;
    if (this.flown.visible) {
      this.flown.geometry.dispose();
      this.flown.geometry = new LineGeometry().setPositions(points);
    }
    this.model.stage.draw();
  }

  /** Drones where they are; those not named are gone. */
  fly(poses: readonly Pose[]): void {
    const seen = JSON.stringify(poses.map(({ device, x, y, z, yaw_deg, pitch_deg, roll_deg }) => [device, ...[x, y, z, yaw_deg, pitch_deg, roll_deg].map((one) => one?.toFixed(2))]));
    if (seen === this.seen) return;
    this.seen = seen;
    const there = new Set(poses.map((pose) => pose.device));
    for (const [device, shape] of this.drones) if (!there.has(device)) this.land(device, shape);
    for (const pose of poses) this.put(pose);
    this.model.stage.drawCalmly();
  }

  /** Keep drones as large as a hand can point at, whatever the distance. Called before each frame. */
  scale(): void {
    const { camera, host } = this.model.stage;
    const perMetre = (2 * Math.tan((camera.fov * Math.PI) / 360)) / Math.max(1, host.clientHeight);
    for (const { body, frustum } of this.drones.values()) {
      const size = Math.max(0.5, camera.position.distanceTo(body.position) * perMetre * DRONE_PX * 0.5);
      body.scale.setScalar(size);
      frustum.scale.setScalar(Math.min(FRUSTUM_SIZE_MAX, Math.max(0.4, size / 2)));
    }
  }

  /** The ground that photos show, as outlines. */
  footprints(photos: readonly FlightPhoto[]): void {
    const ends = photos.flatMap(({ footprint }) => (footprint ?? []).flatMap((corner, i, all) => [corner, all[(i + 1) % all.length]!]));
    const points = ends.flatMap(([x, y, z]) => this.scene(x, y, z + 0.05).toArray());
    this.feet.geometry.dispose();
    this.feet.geometry = new BufferGeometry().setAttribute("position", new Float32BufferAttribute(points, 3));
    this.feet.visible = points.length > 0;
    this.model.stage.draw();
  }

  /** One photo laid on what it shows, with the rays of its camera; null takes it away. */
  async photo(photo: FlightPhoto | null, signal: AbortSignal): Promise<void> {
    this.clearPhoto();
    if (!photo?.footprint || photo.x === null || photo.y === null || photo.z === null) return;
    const texture = await new TextureLoader().loadAsync(photoUrl(photo.id));
    if (signal.aborted) return texture.dispose();
    texture.colorSpace = SRGBColorSpace;
    const corners = photo.footprint.map(([x, y, z]) => this.scene(x, y, z + 0.08));
    const flat = new BufferGeometry().setAttribute("position", new Float32BufferAttribute(corners.flatMap((one) => one.toArray()), 3));
    flat.setAttribute("uv", new Float32BufferAttribute([0, 1, 1, 1, 1, 0, 0, 0], 2));
    flat.setIndex([0, 1, 2, 0, 2, 3]);
    const eye = this.scene(photo.x, photo.y, photo.z);
    const rays = new BufferGeometry().setFromPoints(corners.flatMap((corner) => [eye, corner]));
    const line = new LineBasicMaterial({ color: this.accent });
    this.shown.add(new Mesh(flat, new MeshBasicMaterial({ map: texture, side: DoubleSide, toneMapped: false })));
    this.shown.add(new LineSegments(rays, line), new LineLoop(new BufferGeometry().setFromPoints(corners), line));
    for (const one of this.shown.children) one.renderOrder = 4;
    this.model.stage.draw();
  }

  dispose(): void {
    for (const [device, shape] of this.drones) this.land(device, shape);
    this.clearPhoto();
    for (const line of [this.way, this.flown, this.feet]) {
      line.geometry.dispose();
      line.material.dispose();
    }
    this.model.stage.scene.remove(this.group);
    this.model.stage.draw();
  }

  private put(pose: Pose): void {
    if (pose.x === null || pose.y === null || pose.z === null) return;
    let shape = this.drones.get(pose.device);
    if (!shape) {
      shape = droneShape();
      shape.wear(this.accent);
      this.drones.set(pose.device, shape);
      this.group.add(shape.body, shape.frustum);
    }
    const place = this.scene(pose.x, pose.y, pose.z);
    const turned = attitude(pose.yaw_deg ?? 0, pose.pitch_deg ?? 0, pose.roll_deg ?? 0, this.north_deg);
    shape.body.position.copy(place);
    shape.body.quaternion.copy(turned);
    shape.frustum.position.copy(place);
    shape.frustum.quaternion.copy(turned);
  }

  private land(device: string, shape: DroneShape): void {
    this.group.remove(shape.body, shape.frustum);
    shape.dispose();
    this.drones.delete(device);
  }

  private clearPhoto(): void {
    for (const one of [...this.shown.children] as (Mesh | LineSegments)[]) {
      const material = one.material as MeshBasicMaterial;
      material.map?.dispose();
      material.dispose();
      one.geometry.dispose();
      this.shown.remove(one);
    }
    this.model.stage.draw();
  }

  private points(places: readonly Placed[]): number[] {
    return places.flatMap(({ x, y, z }) => this.scene(x, y, z).toArray());
  }

  private scene(x: number, y: number, z: number): Vector3 {
    return sceneOf(this.model.set, x, y, z);
  }
}
