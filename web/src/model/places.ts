import { Euler, Quaternion, Vector3 } from "three";
import type { TileSet } from "../api/model_types";

const RAD = Math.PI / 180;

/** A place in metres of the model, in the scene's axes. */
export const sceneOf = ({ origin_m: [ox, oy, oz] }: Pick<TileSet, "origin_m">, x: number, y: number, z: number): Vector3 => new Vector3(x - ox, z - oz, oy - y);

/**
 * How a vehicle or camera is turned. Yaw is clockwise from true north, which lies `north_deg` clockwise of the model's
 * y axis; pitch is up, roll to the right. Its nose then points along its own -z, its right side along x.
 */
export function attitude(yaw_deg: number, pitch_deg: number, roll_deg: number, north_deg: number): Quaternion {
  return new Quaternion().setFromEuler(new Euler(pitch_deg * RAD, -(yaw_deg + north_deg) * RAD, -roll_deg * RAD, "YXZ"));
}
