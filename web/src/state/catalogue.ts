import { computed, signal } from "@preact/signals";
import { isAbort, TwinError } from "../api/http";
import * as queries from "../api/queries";
import type { Point, Problem, Site, Tree, TreeNode } from "../api/types";
import { zoneChoice } from "./settings";

/** What exists: the site, its points and its tree. Loaded once, again when the twin comes back. */

export const site = signal<Site | null>(null);
export const tree = signal<Tree | null>(null);
export const points = signal<ReadonlyMap<number, Point>>(new Map());
export const pointsTotal = signal<number | null>(null);
export const loadProblem = signal<Problem | null>(null);

/** The zone every time on the page is shown in. */
export const zone = computed(() =>
  zoneChoice.value === "site" && site.value ? site.value.time_zone : Intl.DateTimeFormat().resolvedOptions().timeZone,
);

export interface Place {
  node: TreeNode;
  parents: TreeNode[];
}

/** Every place of the tree by its GlobalId, with the way to it. */
export const places = computed(() => {
  const found = new Map<string, Place>();
  const walk = (node: TreeNode, parents: TreeNode[]) => {
    found.set(node.id, { node, parents });
    for (const child of node.children) walk(child, [...parents, node]);
  };
  for (const root of tree.value?.roots ?? []) walk(root, []);
  return found;
});

let loading: AbortController | undefined;

export async function loadCatalogue(): Promise<void> {
  loading?.abort();
  loading = new AbortController();
  const { signal: stop } = loading;
  try {
    const [nextSite, nextTree] = await Promise.all([queries.site(stop), queries.tree(stop)]);
    site.value = nextSite;
    tree.value = nextTree;
    const next = new Map<number, Point>();
    for await (const page of queries.points(stop)) {
      for (const point of page.items) next.set(point.id, point);
      pointsTotal.value = page.total;
      if (next.size >= points.peek().size) points.value = new Map(next);
    }
    points.value = next;
    loadProblem.value = null;
  } catch (error) {
    if (isAbort(error)) return;
    loadProblem.value = error instanceof TwinError ? error.problem : { title: String(error), status: 0 };
  }
}

/** What a person calls a point: its label without the device's part ("Mill 1: spindle speed"), else its metric in words. */
export const pointName = (point: Point) => sentence(labelParts(point)[1] || point.metric.replaceAll("_", " "));

/** What a person calls the device of a point. */
export const deviceName = (point: Point) => labelParts(point)[0] || point.device;

function labelParts({ label }: Point): [string, string] {
  const at = label.lastIndexOf(": ");
  return at < 0 ? ["", label] : [label.slice(0, at), label.slice(at + 2)];
}

/** Everything that names a point, in small letters with spaces between the words: what rules about points look at. */
export const labelWords = (point: Point) => `${point.label} ${point.device} ${point.metric}`.toLowerCase().replace(/[_-]/g, " ");

const sentence = (text: string) => (text.charAt(0).toUpperCase() + text.slice(1)).replace(/\bco2\b/gi, "CO₂");

/** What a person calls a place. */
export const placeName = (node: Pick<TreeNode, "name" | "id" | "type">) => node.name || node.type.replace(/^Ifc/, "") || node.id;

export const unbound = computed(() => new Set(tree.value?.unbound ?? []));

/** Where a point is, as far as the model knows: the nearest place of the tree. */
export function placeOf(point: Point): Place | undefined {
  return places.value.get(point.space ?? "") ?? places.value.get(point.element ?? "");
}
