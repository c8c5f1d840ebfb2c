import type { ElementRow, Point, Tree, TreeNode } from "../api/types";
import { deviceName, placeName, pointName } from "../state/catalogue";
import { matches, words } from "../state/search";
import type { Route } from "../state/route";
import { typeIcon, type IconName } from "./icon";

/** One line of a tree, flat: the list draws only those in sight. */
export interface Row {
  key: string;
  depth: number;
  icon: IconName;
  text: string;
  detail: string;
  to: Route;
  /** undefined: nothing below */
  open: boolean | undefined;
  point: Point | undefined;
  count: number;
}

type Known = ReadonlyMap<number, Point>;
/** Search results beyond this are counted, not listed. */
export const FOUND_MAX = 300;

/** Spatial rows: a place, then its points, then the places below, as far as it is open. */
export function spaceRows(tree: Tree, known: Known, open: ReadonlySet<string>): Row[] {
  const rows: Row[] = [];
  const walk = (node: TreeNode, depth: number) => {
    const branches = node.children.length + node.points.length > 0;
    const isOpen = open.has(node.id);
    rows.push({ ...placeRow(node, depth), open: branches ? isOpen : undefined });
    if (!isOpen) return;
    for (const id of node.points) pushPoint(rows, node.id, known.get(id), depth + 1, severalDevices(node, known));
    for (const child of node.children) walk(child, depth + 1);
  };
  for (const root of tree.roots) walk(root, 0);
  return rows;
}

/** Device rows: node, device, point. */
export function deviceRows(tree: Tree, known: Known, open: ReadonlySet<string>): Row[] {
  const rows: Row[] = [];
  let node: string | undefined;
  for (const entry of [...tree.devices].sort((a, b) => a.node.localeCompare(b.node) || a.device.localeCompare(b.device))) {
    const nodeKey = `node ${entry.node}`;
    if (entry.node !== node) {
      node = entry.node;
      const count = tree.devices.filter((one) => one.node === node).reduce((sum, one) => sum + one.points.length, 0);
      rows.push({ key: nodeKey, depth: 0, icon: "nodes", text: entry.node, detail: "", to: { view: "nodes" }, open: open.has(nodeKey), point: undefined, count });
    }
    if (!open.has(nodeKey)) continue;
    const key = `${entry.node}/${entry.device}`;
    rows.push({ ...deviceRow(entry, 1), open: open.has(key) });
    if (open.has(key)) for (const id of entry.points) pushPoint(rows, key, known.get(id), 2);
  }
  return rows;
}

/** What a search finds, flat: places, devices, points, then the model's other elements as the twin found them. */
export function foundRows(tree: Tree, known: Known, text: string, elements: readonly ElementRow[] = []): { rows: Row[]; more: number } {
  const wanted = words(text);
  const rows: Row[] = [];
  let more = 0;
  const push = (row: Row) => (rows.length < FOUND_MAX ? rows.push(row) : more++);
  const walk = (node: TreeNode) => {
    if (matches(wanted, node.name, node.type, node.id)) push(placeRow(node, 0));
    node.children.forEach(walk);
  };
  tree.roots.forEach(walk);
  for (const entry of tree.devices) if (matches(wanted, entry.node, entry.device)) push(deviceRow(entry, 0));
  for (const point of known.values()) if (matches(wanted, point.key, point.label)) push(pointRow("found", point, 0, deviceName(point)));
  const listed = new Set(rows.map((row) => row.key));
  for (const one of elements) if (!listed.has(one.id)) push(elementRow(one));
  return { rows, more };
}

function placeRow(node: TreeNode, depth: number): Row {
  const count = countPoints(node);
  return { key: node.id, depth, icon: typeIcon(node.type), text: placeName(node), detail: "", to: { view: "place", id: node.id }, open: undefined, point: undefined, count };
}

function elementRow({ id, type, name, long_name, points }: ElementRow): Row {
  const text = long_name || name || id;
  return { key: id, depth: 0, icon: typeIcon(type), text, detail: type.replace(/^Ifc/, ""), to: { view: "place", id }, open: undefined, point: undefined, count: points };
}

function deviceRow(entry: Tree["devices"][number], depth: number): Row {
  const { node, device } = entry;
  return { key: `${node}/${device}`, depth, icon: "device", text: device, detail: "", to: { view: "device", node, device }, open: undefined, point: undefined, count: entry.points.length };
}

function pushPoint(rows: Row[], under: string, point: Point | undefined, depth: number, device = false): void {
  if (point) rows.push(pointRow(under, point, depth, device ? deviceName(point) : ""));
}

/** A temperature of which device? Said only where a place has more than one. */
function severalDevices(node: TreeNode, known: Known): boolean {
  return new Set(node.points.map((id) => known.get(id)?.device)).size > 1;
}

function pointRow(under: string, point: Point, depth: number, detail: string): Row {
  return { key: `${under} ${point.id}`, depth, icon: "point", text: pointName(point), detail, to: { view: "point", id: point.id }, open: undefined, point, count: 0 };
}

const counted = new WeakMap<TreeNode, number>();
export function countPoints(node: TreeNode): number {
  let count = counted.get(node);
  if (count === undefined) {
    count = node.points.length + node.children.reduce((sum, child) => sum + countPoints(child), 0);
    counted.set(node, count);
  }
  return count;
}
