import { BufferAttribute, BufferGeometry, LineSegments, type InterleavedBufferAttribute, type ShaderMaterial } from "three";

/** Two faces that meet at less than this are one surface to the eye. */
const CREASE_COS = Math.cos((28 * Math.PI) / 180);

const MET = -1;
type Attribute = BufferAttribute | InterleavedBufferAttribute;

/**
 * The lines a draughtsman would draw: where a surface ends or bends. Corners are welded by place and feature first,
 * since vertices are split where colours or normals change.
 */
export function edgesOf(geometry: BufferGeometry, material: ShaderMaterial): LineSegments {
  const position = geometry.getAttribute("position");
  const feature = geometry.getAttribute("feature");
  const corner = welded(position, feature);
  const ends = creases(geometry, position, corner);
  const points = new Float32Array(ends.length * 3);
  const features = new Float32Array(ends.length);
  ends.forEach((vertex, i) => {
    points.set([position.getX(vertex), position.getY(vertex), position.getZ(vertex)], i * 3);
    features[i] = feature.getX(vertex);
  });
  const lines = new BufferGeometry();
  lines.setAttribute("position", new BufferAttribute(points, 3));
  lines.setAttribute("feature", new BufferAttribute(features, 1));
  const drawn = new LineSegments(lines, material);
  drawn.matrixAutoUpdate = false;
  drawn.renderOrder = 2;
  return drawn;
}

/** For every vertex the first one at the same place of the same feature. */
function welded(position: Attribute, feature: Attribute): Int32Array {
  const n = position.count;
  const first = new Int32Array(n);
  const size = 2 ** Math.ceil(Math.log2(n * 2 + 2));
  const table = new Int32Array(size).fill(-1);
  const [x, y, z] = [coordinate(position, 0), coordinate(position, 1), coordinate(position, 2)];
  for (let i = 0; i < n; i++) {
    const f = feature.getX(i);
    let at = (Math.imul(Math.round(x(i) * 8191), 73_856_093) ^ Math.imul(Math.round(y(i) * 8191), 19_349_663) ^ Math.imul(Math.round(z(i) * 8191), 83_492_791) ^ Math.imul(f, 2_654_435_761)) & (size - 1);
    for (;;) {
      const other = table[at]!;
      if (other < 0) {
        table[at] = first[i] = i;
        break;
      }
      if (feature.getX(other) === f && x(other) === x(i) && y(other) === y(i) && z(other) === z(i)) {
        first[i] = other;
        break;
      }
      at = (at + 1) & (size - 1);
    }
  }
  return first;
}

const coordinate = (attribute: Attribute, axis: 0 | 1 | 2) => {
  if (axis === 0) return (i: number) => attribute.getX(i);
  return axis === 1 ? (i: number) => attribute.getY(i) : (i: number) => attribute.getZ(i);
};

/** Pairs of vertices: edges with one face, or with two that bend. */
function creases(geometry: BufferGeometry, position: Attribute, corner: Int32Array): number[] {
  const index = geometry.index;
  const count = index ? index.count : position.count;
  const vertex = (i: number) => (index ? index.getX(i) : i);
  const normals = new Float32Array(count);
  const open = new Map<number, number>();
  const ends: number[] = [];
  for (let t = 0; t + 2 < count; t += 3) {
    const [a, b, c] = [corner[vertex(t)]!, corner[vertex(t + 1)]!, corner[vertex(t + 2)]!];
    if (a === b || b === c || c === a || !normalOf(position, a, b, c, normals, t)) continue;
    for (const [p, q] of [[a, b], [b, c], [c, a]] as const) {
      const key = Math.min(p, q) * 67_108_864 + Math.max(p, q);
      const other = open.get(key);
      if (other === undefined) open.set(key, t);
      else if (other !== MET) {
        // the sides of faces are not always turned alike
        const cos = Math.abs(normals[t]! * normals[other]! + normals[t + 1]! * normals[other + 1]! + normals[t + 2]! * normals[other + 2]!);
        if (cos < CREASE_COS) ends.push(p, q);
        open.set(key, MET);
      }
    }
  }
  for (const [key, face] of open) if (face !== MET) ends.push(Math.floor(key / 67_108_864), key % 67_108_864);
  return ends;
}

/** The unit normal of a triangle into `into` at `at`; false for one without area. */
function normalOf(position: Attribute, a: number, b: number, c: number, into: Float32Array, at: number): boolean {
  const [ax, ay, az] = [position.getX(a), position.getY(a), position.getZ(a)];
  const [ux, uy, uz] = [position.getX(b) - ax, position.getY(b) - ay, position.getZ(b) - az];
  const [vx, vy, vz] = [position.getX(c) - ax, position.getY(c) - ay, position.getZ(c) - az];
  const [nx, ny, nz] = [uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx];
  const length = Math.hypot(nx, ny, nz);
  if (length === 0) return false;
  into[at] = nx / length;
  into[at + 1] = ny / length;
  into[at + 2] = nz / length;
  return true;
}
