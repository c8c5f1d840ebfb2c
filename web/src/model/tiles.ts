import { Box3, DoubleSide, Group, LineSegments, Matrix4, Mesh, Ray, Vector3, type BufferGeometry, type Intersection, type Object3D } from "three";
import { GLTFLoader } from "three/examples/jsm/loaders/GLTFLoader.js";
import { MeshoptDecoder } from "three/examples/jsm/libs/meshopt_decoder.module.js";
import { MeshBVH } from "three-mesh-bvh";
import type { Tile, TileSet } from "../api/model_types";
import { edgesOf } from "./edges";
import { tileMaterials, type SharedUniforms } from "./shader";

const PARALLEL = 3;
/** Lines of larger tiles would cost more to find than they show. */
const EDGE_TRIANGLES_MAX = 150_000;

/** One primitive of a tile; its picking tree is made the first time a ray comes near. */
interface Part {
  geometry: BufferGeometry;
  toWorld: Matrix4;
  fromWorld: Matrix4;
  box: Box3;
  first: number;
  tree: MeshBVH | null;
}

export interface LoadedTile {
  tile: Tile;
  group: Group;
  parts: Part[];
}

export interface Hit {
  row: number;
  point: Vector3;
  normal: Vector3;
  distance: number;
  corners: [Vector3, Vector3, Vector3];
}

/** Fetch the tiles, a few at a time, the small ones first so that something is seen soon. */
export async function loadTiles(set: TileSet, base: string, shared: SharedUniforms, signal: AbortSignal, onTile: (tile: LoadedTile) => void): Promise<void> {
  await MeshoptDecoder.ready;
  const loader = new GLTFLoader().setMeshoptDecoder(MeshoptDecoder);
  const waiting = [...set.tiles].sort((a, b) => b.bytes - a.bytes);
  const work = async () => {
    for (let tile = waiting.pop(); tile && !signal.aborted; tile = waiting.pop()) {
      const response = await fetch(base + tile.file, { signal });
      if (!response.ok) throw new Error(`${tile.file}: ${response.status}`);
      const gltf = await loader.parseAsync(await response.arrayBuffer(), "");
      if (!signal.aborted) onTile(dressed(gltf.scene, tile, shared));
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, work));
}

/** The tile's meshes with our materials, once for what is solid and once for what is seen through. */
function dressed(source: Group, tile: Tile, shared: SharedUniforms): LoadedTile {
  source.updateMatrixWorld(true);
  const group = new Group();
  const parts: Part[] = [];
  source.traverse((object) => {
    if (!(object instanceof Mesh)) return;
    const geometry = object.geometry as BufferGeometry;
    const ids = geometry.getAttribute("_feature_id_0");
    if (!ids) return;
    geometry.setAttribute("feature", ids);
    geometry.deleteAttribute("_feature_id_0");
    geometry.deleteAttribute("color");
    const materials = tileMaterials(shared, tile.first_feature, geometry.hasAttribute("normal"));
    const drawn: Object3D[] = [new Mesh(geometry, materials.solid), new Mesh(geometry, materials.clear)];
    if (tile.triangles <= EDGE_TRIANGLES_MAX) drawn.push(edgesOf(geometry, materials.edge));
    drawn.forEach((mesh, at) => {
      mesh.matrixAutoUpdate = false;
      mesh.matrix.copy(object.matrixWorld);
      mesh.renderOrder = at;
      group.add(mesh);
    });
    geometry.computeBoundingBox();
    const box = geometry.boundingBox!.clone().applyMatrix4(object.matrixWorld);
    parts.push({ geometry, toWorld: object.matrixWorld.clone(), fromWorld: object.matrixWorld.clone().invert(), box, first: tile.first_feature, tree: null });
  });
  group.updateMatrixWorld(true);
  return { tile, group, parts };
}

/** The nearest feature along a ray that `seen` lets through. */
export function pick(tiles: Iterable<LoadedTile>, ray: Ray, seen: (row: number, point: Vector3) => boolean): Hit | null {
  let best: Hit | null = null;
  for (const { group, parts } of tiles) {
    if (!group.visible) continue;
    for (const part of parts) {
      if (!ray.intersectsBox(part.box)) continue;
      part.tree ??= new MeshBVH(part.geometry);
      const local = ray.clone().applyMatrix4(part.fromWorld);
      for (const hit of part.tree.raycast(local, DoubleSide)) {
        const found = worldHit(part, hit, ray);
        if ((!best || found.distance < best.distance) && seen(found.row, found.point)) best = found;
      }
    }
  }
  return best;
}

function worldHit(part: Part, hit: Intersection, ray: Ray): Hit {
  const face = hit.face!;
  const point = hit.point.clone().applyMatrix4(part.toWorld);
  const position = part.geometry.getAttribute("position");
  const corner = (vertex: number) => new Vector3().fromBufferAttribute(position, vertex).applyMatrix4(part.toWorld);
  const corners: Hit["corners"] = [corner(face.a), corner(face.b), corner(face.c)];
  const normal = corners[1].clone().sub(corners[0]).cross(corners[2].clone().sub(corners[0])).normalize();
  if (normal.dot(ray.direction) > 0) normal.negate();
  return { row: part.first + Math.round(part.geometry.getAttribute("feature").getX(face.a)), point, normal, distance: point.distanceTo(ray.origin), corners };
}

export function dispose({ group, parts }: LoadedTile): void {
  for (const { geometry } of parts) geometry.dispose();
  group.traverse((object) => {
    if (!(object instanceof Mesh || object instanceof LineSegments)) return;
    (object.geometry as BufferGeometry).dispose();
    (object.material as { dispose(): void }).dispose();
  });
}
