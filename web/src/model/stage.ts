import { Box3, BufferGeometry, Color, Float32BufferAttribute, LineBasicMaterial, LineSegments, PerspectiveCamera, Raycaster, Scene, Vector2, Vector3, WebGLRenderer } from "three";
import { OrbitControls } from "three/examples/jsm/controls/OrbitControls.js";
import type { TileSet } from "../api/model_types";

const FIELD_DEG = 40;
/** Below 1: a box is seldom as deep as it is wide, and some of its corners may leave the picture. */
const FIT = 0.82;
const FLIGHT_MS = 600;
/** From the south-east, a third above: how people know a site from its brochure. */
const FIRST_LOOK = new Vector3(0.75, 0.62, 1).normalize();
const PIXEL_RATIO_MAX = 2;
const CALM_MS_MIN = 100;
const CALM_TIMES = 6;

export type GraphicsState = "ready" | "lost";

/** Camera, controls and the frame: draws when something changed, and only then. */
export class Stage {
  readonly scene = new Scene();
  readonly camera = new PerspectiveCamera(FIELD_DEG, 1, 0.1, 10_000);
  readonly controls: OrbitControls;
  private readonly after = new Set<() => void>();
  private readonly before = new Set<() => void>();
  /** two pictures side by side: where they meet, 0 … 1, and what makes the scene the left or the right one */
  split: { share: number; side: (which: "left" | "right") => void } | null = null;
  onGraphics: (state: GraphicsState) => void = () => {};
  frames = 0;
  private readonly renderer: WebGLRenderer;
  private readonly caster = new Raycaster();
  private readonly watch: ResizeObserver;
  private readonly lines = new LineSegments(new BufferGeometry(), new LineBasicMaterial({ depthTest: false, transparent: true }));
  private wanted = 0;
  private cost_ms = 0;
  private calm: ReturnType<typeof setTimeout> | undefined;
  private flight = 0;
  private lost = false;
  private covered = { right: 0, bottom: 0 };

  /** Raises when the browser has no WebGL 2. */
  constructor(readonly host: HTMLElement) {
    this.renderer = new WebGLRenderer({ antialias: true, powerPreference: "high-performance" });
    this.renderer.setPixelRatio(Math.min(devicePixelRatio, PIXEL_RATIO_MAX));
    const canvas = this.canvas;
    canvas.tabIndex = 0;
    host.prepend(canvas);
    this.controls = new OrbitControls(this.camera, canvas);
    this.controls.zoomToCursor = true;
    this.controls.maxPolarAngle = Math.PI * 0.98;
    this.controls.addEventListener("change", () => this.draw());
    this.lines.renderOrder = 9;
    this.lines.frustumCulled = false;
    this.scene.add(this.lines);
    canvas.addEventListener("webglcontextlost", () => this.graphics("lost"));
    canvas.addEventListener("webglcontextrestored", () => this.graphics("ready"));
    this.watch = new ResizeObserver(() => this.resize());
    this.watch.observe(host);
    this.resize();
  }

  /** Called after each drawn frame, until the returned function is: whatever is laid over the picture follows. */
  onFrame(follow: () => void): () => void {
    this.after.add(follow);
    return () => this.after.delete(follow);
  }

  onBefore(follow: () => void): () => void {
    this.before.add(follow);
    return () => this.before.delete(follow);
  }

  get canvas(): HTMLCanvasElement {
    return this.renderer.domElement;
  }

  /** Draw a frame soon; as often as it is asked for, once. */
  draw(): void {
    if (this.lost || this.wanted) return;
    const asked = performance.now();
    this.wanted = requestAnimationFrame(() => {
      this.cost_ms = performance.now() - asked;
      this.frame();
    });
  }

  /** Draw what moves by itself: seldom where a frame takes long, so that the page stays quick without a graphics card. */
  drawCalmly(): void {
    this.calm ??= setTimeout(() => {
      this.calm = undefined;
      this.draw();
    }, Math.max(CALM_MS_MIN, this.cost_ms * CALM_TIMES));
  }

  paper(colour: string, ink: string): void {
    this.renderer.setClearColor(new Color(colour), 1);
    (this.lines.material as LineBasicMaterial).color = new Color(ink);
    this.draw();
  }

  /** What lies over the right and the lower part of the picture: the middle moves out from under it. */
  cover(right_px: number, bottom_px: number): void {
    this.covered = { right: right_px, bottom: bottom_px };
    this.offset();
    this.draw();
  }

  /** A box from the first look. */
  home(box: Box3, animate = true): void {
    this.frameBox(box, animate, FIRST_LOOK);
  }

  /** Move so that a box fills the picture, from where one looks now or from a given side. */
  frameBox(box: Box3, animate = true, from?: Vector3): void {
    const middle = box.getCenter(new Vector3());
    const radius = Math.max(0.5, box.getSize(new Vector3()).length() / 2);
    const narrow = Math.min(1, this.camera.aspect);
    const away = (radius / Math.sin((FIELD_DEG * Math.PI) / 360) / narrow) * FIT;
    const side = from ?? this.camera.position.clone().sub(this.controls.target).normalize();
    this.flyTo(middle.clone().addScaledVector(side, away), middle, animate);
    this.camera.near = Math.max(0.05, away / 2_000);
    this.camera.far = away * 60 + radius * 60;
    this.camera.updateProjectionMatrix();
  }

  /** Turn by degrees, or shift the target by shares of the distance. */
  turn(azimuth_deg: number, polar_deg: number): void {
    const { target } = this.controls;
    const arm = this.camera.position.clone().sub(target);
    arm.applyAxisAngle(new Vector3(0, 1, 0), (-azimuth_deg * Math.PI) / 180);
    const across = new Vector3(0, 1, 0).cross(arm).normalize();
    const tilted = arm.clone().applyAxisAngle(across, (-polar_deg * Math.PI) / 180);
    if (Math.abs(tilted.clone().normalize().y) < 0.995) arm.copy(tilted);
    this.moveTo(target.clone().add(arm), target.clone());
  }

  shift(right: number, up: number): void {
    const arm = this.camera.position.clone().sub(this.controls.target);
    const step = arm.length() * 0.08;
    const move = new Vector3(1, 0, 0).applyQuaternion(this.camera.quaternion).multiplyScalar(right * step);
    move.addScaledVector(new Vector3(0, 1, 0).applyQuaternion(this.camera.quaternion), up * step);
    this.moveTo(this.camera.position.clone().add(move), this.controls.target.clone().add(move));
  }

  zoom(factor: number): void {
    const { target } = this.controls;
    this.moveTo(target.clone().add(this.camera.position.clone().sub(target).multiplyScalar(factor)), target.clone());
  }

  /** The ray under a place of the window. */
  rayAt(clientX: number, clientY: number) {
    const box = this.canvas.getBoundingClientRect();
    const at = new Vector2(((clientX - box.left) / box.width) * 2 - 1, 1 - ((clientY - box.top) / box.height) * 2);
    this.caster.setFromCamera(at, this.camera);
    return this.caster.ray.clone();
  }

  /** Where a point of the scene is on the host, in CSS pixels; null behind the camera. */
  screenOf(point: Vector3): { x: number; y: number; depth: number } | null {
    const p = point.clone().project(this.camera);
    if (p.z > 1) return null;
    return { x: ((p.x + 1) / 2) * this.host.clientWidth, y: ((1 - p.y) / 2) * this.host.clientHeight, depth: p.z };
  }

  /** Lines over everything, as pairs of ends: the measure. */
  ink(ends: readonly Vector3[]): void {
    this.lines.geometry.dispose();
    this.lines.geometry = new BufferGeometry().setAttribute("position", new Float32BufferAttribute(ends.flatMap((p) => [p.x, p.y, p.z]), 3));
    this.draw();
  }

  dispose(): void {
    clearTimeout(this.calm);
    cancelAnimationFrame(this.wanted);
    cancelAnimationFrame(this.flight);
    this.watch.disconnect();
    this.controls.dispose();
    this.renderer.dispose();
    this.renderer.forceContextLoss();
    this.canvas.remove();
  }

  private frame(): void {
    this.wanted = 0;
    for (const follow of this.before) follow();
    if (this.split) this.halves(this.split);
    else this.renderer.render(this.scene, this.camera);
    this.frames++;
    for (const follow of this.after) follow();
  }

  private halves({ share, side }: NonNullable<Stage["split"]>): void {
    const { clientWidth: width, clientHeight: height } = this.host;
    const at = Math.round(width * share);
    this.renderer.setScissorTest(true);
    side("left");
    this.renderer.setScissor(0, 0, at, height);
    this.renderer.render(this.scene, this.camera);
    side("right");
    this.renderer.setScissor(at, 0, width - at, height);
    this.renderer.render(this.scene, this.camera);
    this.renderer.setScissorTest(false);
  }

  private graphics(state: GraphicsState): void {
    this.lost = state === "lost";
    this.onGraphics(state);
    this.draw();
  }

  private resize(): void {
    const { clientWidth: width, clientHeight: height } = this.host;
    if (!width || !height) return;
    this.renderer.setSize(width, height, false);
    this.camera.aspect = width / height;
    this.offset();
    if (this.wanted) cancelAnimationFrame(this.wanted);
    if (!this.lost) this.frame();
  }

  private offset(): void {
    const { clientWidth: width, clientHeight: height } = this.host;
    const { right, bottom } = this.covered;
    if (right || bottom) this.camera.setViewOffset(width, height, right / 2, bottom / 2, width, height);
    else this.camera.clearViewOffset();
    this.camera.updateProjectionMatrix();
  }

  private flyTo(position: Vector3, target: Vector3, animate: boolean): void {
    cancelAnimationFrame(this.flight);
    if (!animate || matchMedia("(prefers-reduced-motion: reduce)").matches) return this.moveTo(position, target);
    const from = { position: this.camera.position.clone(), target: this.controls.target.clone() };
    const start = performance.now();
    const move = (now: number) => {
      const share = Math.min(1, (now - start) / FLIGHT_MS);
      const eased = share * share * (3 - 2 * share);
      this.moveTo(from.position.clone().lerp(position, eased), from.target.clone().lerp(target, eased));
      if (share < 1) this.flight = requestAnimationFrame(move);
    };
    this.flight = requestAnimationFrame(move);
  }

  private moveTo(position: Vector3, target: Vector3): void {
    this.camera.position.copy(position);
    this.controls.target.copy(target);
    this.controls.update();
    this.draw();
  }
}

/** The set's box in the scene's axes. */
export function boxOf({ bounds_m: [x0, y0, z0, x1, y1, z1] }: Pick<TileSet, "bounds_m">): Box3 {
  return new Box3(new Vector3(x0, z0, -y1), new Vector3(x1, z1, -y0));
}
