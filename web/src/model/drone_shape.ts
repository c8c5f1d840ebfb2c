import { BoxGeometry, BufferGeometry, CircleGeometry, Color, ConeGeometry, DoubleSide, Float32BufferAttribute, Group, LineBasicMaterial, LineSegments, Mesh, MeshBasicMaterial, type Object3D } from "three";

/** What a usual survey camera sees, and how far its frustum is drawn. */
const FIELD_DEG = { across: 73, up: 53 };
const FRUSTUM_M = 14;
const ARM_M = 1;

export interface DroneShape {
  body: Group;
  /** the camera's frustum, turned on its own */
  frustum: LineSegments;
  wear: (accent: string) => void;
  dispose: () => void;
}

/** A vehicle of one metre, to be scaled so that it is seen: two arms, four rotors, a nose that says where ahead is. */
export function droneShape(): DroneShape {
  const solid = new MeshBasicMaterial({ side: DoubleSide });
  const line = new LineBasicMaterial({ transparent: true, opacity: 0.9 });
  const body = new Group();
  const put = (geometry: BufferGeometry, change: (part: Object3D) => void) => {
    const part = new Mesh(geometry, solid);
    change(part);
    body.add(part);
  };
  for (const turn of [1, -1]) put(new BoxGeometry(2 * ARM_M, 0.12, 0.12), (part) => (part.rotation.y = (turn * Math.PI) / 4));
  for (const [x, z] of [[1, 1], [1, -1], [-1, 1], [-1, -1]] as const)
    put(new CircleGeometry(0.42, 20), (part) => (part.position.set(x * ARM_M * 0.71, 0.1, z * ARM_M * 0.71), (part.rotation.x = -Math.PI / 2)));
  put(new ConeGeometry(0.2, 0.6, 12), (part) => (part.position.set(0, 0, -0.55), (part.rotation.x = -Math.PI / 2)));
  body.renderOrder = 6;
  const frustum = new LineSegments(frustumOf(), line);
  frustum.renderOrder = 6;
  return {
    body,
    frustum,
    wear: (accent) => (solid.color.copy(new Color(accent)), line.color.copy(new Color(accent))),
    dispose: () => {
      body.traverse((part) => part instanceof Mesh && (part.geometry as BufferGeometry).dispose());
      frustum.geometry.dispose();
      solid.dispose();
      line.dispose();
    },
  };
}

/** From the eye to four corners, and around them; it looks along -z. */
function frustumOf(): BufferGeometry {
  const half = (degrees: number) => Math.tan((degrees * Math.PI) / 360) * FRUSTUM_M;
  const [x, y] = [half(FIELD_DEG.across), half(FIELD_DEG.up)];
  const corners = [[-x, -y], [x, -y], [x, y], [-x, y]].map(([cx, cy]) => [cx!, cy!, -FRUSTUM_M]);
  const ends = corners.flatMap((corner, i) => [[0, 0, 0], corner, corner, corners[(i + 1) % 4]!]).flat();
  return new BufferGeometry().setAttribute("position", new Float32BufferAttribute(ends, 3));
}
