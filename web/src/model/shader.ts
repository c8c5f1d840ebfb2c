import { DoubleSide, GLSL3, ShaderMaterial, Vector3, Vector4, type IUniform } from "three";
import type { PlanShade } from "../components/legend_rows";
import { NO_DATE, TEXTURE_WIDTH } from "./feature_textures";

/** The codes of the shader, in their order. */
export const PLAN_STATES: readonly PlanShade[] = ["finished", "progress", "late", "ahead", "unlinked"];

export interface SharedUniforms {
  colours: IUniform;
  dates: IUniform;
  /** 1: the plan decides the colour, 0: the colour texture does */
  byPlan: IUniform<number>;
  /** 1: the planned dates alone, without what was reported */
  plannedOnly: IUniform<number>;
  days: IUniform<number>;
  planColours: IUniform<Vector4[]>;
  /** everything on the side that the normal points to is cut away: dot(n, p) > w */
  section: IUniform<Vector4>;
  selected: IUniform<number>;
  /** what stands before the selected element is left out within a circle: its middle, and the circle's radius there (0: none) */
  keyhole: IUniform<Vector4>;
  hovered: IUniform<number>;
  accent: IUniform<Vector3>;
  ink: IUniform<Vector3>;
  cutColour: IUniform<Vector3>;
  /** 1: what is not highlighted steps back */
  dimOthers: IUniform<number>;
}

const VERTEX = /* glsl */ `
uniform sampler2D colours;
uniform sampler2D dates;
uniform int firstFeature;
uniform float byPlan, plannedOnly, days, dimOthers, blended;
uniform vec4 planColours[5];
uniform int selected, hovered;
uniform vec3 accent, ink;
in float feature;
flat out vec4 shade;
flat out int chosen;
out vec3 place;
out vec3 turned;

int planState(vec4 d) {
  if (d.x >= ${NO_DATE.toExponential()} && d.z >= ${NO_DATE.toExponential()}) return 4;
  if (plannedOnly > 0.5) return d.y <= days ? 0 : d.x <= days ? 1 : 3;
  if (d.w <= days) return 0;
  if (d.y < days) return 2;
  return d.z <= days ? 1 : 3;
}

void main() {
  int row = firstFeature + int(feature + 0.5);
  ivec2 texel = ivec2(row % ${TEXTURE_WIDTH}, row / ${TEXTURE_WIDTH});
  vec4 own = texelFetch(colours, texel, 0);
  int flags = int(own.a * 255.0 + 0.5);
  bool highlighted = (flags & 1) == 1;
  float alpha = float(flags & 254) / 254.0;
  vec3 rgb = own.rgb;
  if (byPlan > 0.5 && alpha > 0.0) {
    int state = planState(texelFetch(dates, texel, 0));
    vec4 plan = planColours[state];
    if (state != 0) rgb = plan.rgb;  // what is finished looks as it is
    alpha *= plan.a;
  }
  if (dimOthers > 0.5) {
    if (highlighted) { rgb = mix(rgb, accent, 0.8); alpha = 1.0; } else alpha *= 0.13;
  }
  chosen = row == selected ? 1 : 0;
  if (row == selected) { rgb = mix(rgb, accent, 0.7); alpha = max(alpha, 0.6); }
  else if (row == hovered) { rgb = mix(rgb, accent, 0.3); }
  shade = vec4(rgb, alpha);
#ifdef EDGE
  shade = vec4(mix(rgb, ink, 0.55), row == selected ? 1.0 : alpha > 0.99 ? 0.5 : alpha * 0.5);
  bool skip = alpha <= 0.0;
#else
  bool skip = alpha <= 0.0 || (alpha > 0.99) == (blended > 0.5);  // of the two passes one draws a feature
#endif
  vec4 world = modelMatrix * vec4(position, 1.0);
  place = world.xyz;
#ifdef HAS_NORMAL
  turned = normalize(mat3(modelMatrix) * normal);
#endif
  gl_Position = projectionMatrix * viewMatrix * world;
  if (skip) gl_Position = vec4(2.0, 2.0, 2.0, 1.0);
}
`;

/** How far before the middle of the selected element the keyhole ends, as a share of its radius. */
export const KEYHOLE_DEPTH = 0.45;

const FRAGMENT = /* glsl */ `
precision highp float;
#define KEYHOLE_DEPTH ${KEYHOLE_DEPTH.toFixed(3)}
uniform vec4 section;
uniform vec3 cutColour;
uniform vec4 keyhole;
flat in vec4 shade;
flat in int chosen;
in vec3 place;
in vec3 turned;
layout(location = 0) out vec4 colour;

void main() {
  if (dot(section.xyz, place) > section.w) discard;
  if (keyhole.w > 0.0 && chosen == 0) {
    vec3 way = keyhole.xyz - cameraPosition;
    float far = length(way);
    float along = dot(place - cameraPosition, way) / far;
    float beside = length(place - cameraPosition - way * (along / far));
    if (along < far - keyhole.w * KEYHOLE_DEPTH && beside < keyhole.w * along / far) discard;
  }
#ifdef EDGE
  colour = shade;
  return;
#endif
#ifdef HAS_NORMAL
  vec3 n = normalize(turned);
#else
  vec3 n = normalize(cross(dFdx(place), dFdy(place)));
#endif
  // an inside seen through a section is one flat tone, like a cut drawing
  if (!gl_FrontFacing && length(section.xyz) > 0.5) { colour = vec4(mix(cutColour, shade.rgb, 0.35), shade.a); return; }
  if (dot(n, cameraPosition - place) < 0.0) n = -n;
  float sky = 0.5 + 0.5 * n.y;
  float sun = max(0.0, dot(n, normalize(vec3(0.45, 0.75, 0.6))));
  colour = vec4(shade.rgb * (0.66 + 0.16 * sky + 0.26 * sun), shade.a);
}
`;

/** The materials of one tile: what is solid, what is seen through, and the lines where surfaces bend. */
export function tileMaterials(shared: SharedUniforms, firstFeature: number, hasNormal: boolean): Record<"solid" | "clear" | "edge", ShaderMaterial> {
  const make = (blended: 0 | 1, edge = false) =>
    new ShaderMaterial({
      glslVersion: GLSL3,
      vertexShader: VERTEX,
      fragmentShader: FRAGMENT,
      uniforms: { ...shared, firstFeature: { value: firstFeature }, blended: { value: blended } },
      defines: edge ? { EDGE: "" } : hasNormal ? { HAS_NORMAL: "" } : {},
      side: DoubleSide,
      transparent: edge || blended === 1,
      depthWrite: !edge && blended === 0,
      polygonOffset: !edge,
      polygonOffsetFactor: 1,
      polygonOffsetUnits: 1,
    });
  return { solid: make(0), clear: make(1), edge: make(0, true) };
}

export function sharedUniforms(colours: unknown, dates: unknown): SharedUniforms {
  return {
    colours: { value: colours },
    dates: { value: dates },
    byPlan: { value: 0 },
    plannedOnly: { value: 0 },
    days: { value: 0 },
    planColours: { value: PLAN_STATES.map(() => new Vector4(1, 1, 1, 1)) },
    section: { value: new Vector4(0, 0, 0, 1) },
    selected: { value: -1 },
    keyhole: { value: new Vector4(0, 0, 0, 0) },
    hovered: { value: -1 },
    accent: { value: new Vector3(0.1, 0.4, 0.8) },
    ink: { value: new Vector3(0, 0, 0) },
    cutColour: { value: new Vector3(0.3, 0.3, 0.3) },
    dimOthers: { value: 0 },
  };
}

/** The state that the shader gives dates at an instant, for whoever must count them: same rule, same order. */
export function planShade(dates: ArrayLike<number>, at: number, days: number, plannedOnly: boolean): PlanShade {
  const [ps, pf, rs, rf] = [dates[at]!, dates[at + 1]!, dates[at + 2]!, dates[at + 3]!];
  if (ps >= NO_DATE && rs >= NO_DATE) return "unlinked";
  if (plannedOnly) return pf <= days ? "finished" : ps <= days ? "progress" : "ahead";
  if (rf <= days) return "finished";
  if (pf < days) return "late";
  return rs <= days ? "progress" : "ahead";
}
