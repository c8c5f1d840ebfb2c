import { Group, InterleavedBuffer, InterleavedBufferAttribute, Points, ShaderMaterial, Vector3, BufferGeometry, GLSL3 } from "three";
import { cloudLevel, cloudLevels } from "../api/drones";
import type { CloudLevels } from "../api/drone_types";
import type { ParkModel } from "./park_model";

const RECORD_BYTES = 12;
/** A phone or a picture drawn in software shows the first levels. */
const POINTS_MAX = navigator.hardwareConcurrency > 4 ? 4_000_000 : 600_000;

const VERTEX = /* glsl */ `
uniform vec3 low, size;
uniform float spacing, height;
in vec4 tint;
out vec3 shade;
out vec3 place;
void main() {
  vec3 model = low + position * size;
  place = vec3(model.x, model.z, -model.y);
  vec4 seen = viewMatrix * vec4(place, 1.0);
  gl_Position = projectionMatrix * seen;
  gl_PointSize = clamp(spacing * height / -seen.z, 1.5, 7.0);
  shade = tint.rgb;
}
`;
const FRAGMENT = /* glsl */ `
precision highp float;
uniform vec4 section;
in vec3 shade;
in vec3 place;
layout(location = 0) out vec4 colour;
void main() {
  if (dot(section.xyz, place) > section.w) discard;
  colour = vec4(shade, 1.0);
}
`;

/** A scan's points over the model, level after level: the whole at once, then closer and closer. */
export class CloudLayer {
  readonly group = new Group();
  points = 0;

  constructor(private readonly model: ParkModel) {
    this.group.matrixAutoUpdate = false;
    model.stage.scene.add(this.group);
  }

  /** Fetch level after level until the bound; `progress` hears how many points are drawn of how many. */
  async load(scan: string, signal: AbortSignal, progress: (drawn: number, of: number) => void): Promise<void> {
    const levels = await cloudLevels(scan, signal);
    for (const { file, points, spacing_m } of levels.levels) {
      if (this.points && this.points + points > POINTS_MAX) return;
      const bytes = await cloudLevel(scan, file, signal);
      if (signal.aborted) return;
      this.add(bytes, levels, spacing_m);
      progress(this.points, levels.points);
      this.model.stage.draw();
    }
  }

  dispose(): void {
    for (const one of this.group.children as Points<BufferGeometry, ShaderMaterial>[]) {
      one.geometry.dispose();
      one.material.dispose();
    }
    this.model.stage.scene.remove(this.group);
    this.model.stage.draw();
  }

  private add(bytes: ArrayBuffer, { bounds_m: [x0, y0, z0, x1, y1, z1] }: CloudLevels, spacing: number): void {
    const count = Math.floor(bytes.byteLength / RECORD_BYTES);
    if (!count) return;
    const geometry = new BufferGeometry();
    const places = new InterleavedBuffer(new Uint16Array(bytes, 0, count * 6), 6);
    const tints = new InterleavedBuffer(new Uint8Array(bytes, 0, count * RECORD_BYTES), RECORD_BYTES);
    geometry.setAttribute("position", new InterleavedBufferAttribute(places, 3, 0, true));
    geometry.setAttribute("tint", new InterleavedBufferAttribute(tints, 4, 8, true));
    geometry.setDrawRange(0, count);
    const { host } = this.model.stage;
    const material = new ShaderMaterial({
      glslVersion: GLSL3,
      vertexShader: VERTEX,
      fragmentShader: FRAGMENT,
      uniforms: {
        low: { value: new Vector3(x0, y0, z0) },
        size: { value: new Vector3(x1 - x0, y1 - y0, z1 - z0) },
        spacing: { value: spacing },
        height: { value: host.clientHeight },
        section: this.model.uniforms.section,
      },
    });
    const drawn = new Points(geometry, material);
    drawn.frustumCulled = false;
    drawn.renderOrder = 3;
    this.group.add(drawn);
    this.points += count;
  }
}

