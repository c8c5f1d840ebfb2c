import type { Task } from "../api/plan_types";
import { datesOf, type TaskDates } from "../state/schedule";

/** A row of the Gantt chart: a task, or a part of the work breakdown with what lies below it. */
export interface GanttRow {
  key: string;
  name: string;
  depth: number;
  task: Task | null;
  dates: TaskDates;
  /** open or closed; undefined for a row without rows below */
  open: boolean | undefined;
  critical: boolean;
}

interface Node {
  key: string;
  name: string;
  task: Task | null;
  children: Node[];
  dates: TaskDates;
  critical: boolean;
}

const DEPTH_MAX = 12;

/**
 * The work breakdown as a tree. Files say it in two ways: summary tasks with codes of their own (1.2 holds 1.2.3), or
 * tasks that share the code of the part they belong to, which then is a row without a task.
 */
export function treeOf(tasks: readonly Task[], now: number): Node[] {
  const summaries = new Map(tasks.filter((task) => task.is_summary && codeOf(task)).map((task) => [codeOf(task), task.id]));
  const nodes = new Map<string, Node>();
  const roots: Node[] = [];
  const shared = sharedCodes(tasks);
  for (const task of tasks) nodes.set(task.id, { key: task.id, name: task.name || task.code || "–", task, children: [], dates: datesOf(task, now), critical: task.critical });
  const groupOf = (wbs: string, depth: number): Node | null => {
    if (!wbs || depth > DEPTH_MAX) return null;
    const summary = summaries.get(wbs);
    if (summary) return nodes.get(summary)!;
    const key = `wbs ${wbs}`;
    const known = nodes.get(key);
    if (known) return known;
    const made: Node = { key, name: lastPart(wbs), task: null, children: [], dates: NO_DATES, critical: false };
    nodes.set(key, made);
    hang(made, groupOf(upper(wbs), depth + 1));
    return made;
  };
  const hang = (node: Node, parent: Node | null) => (parent && parent !== node ? parent.children : roots).push(node);
  for (const task of tasks) {
    const own = codeOf(task);
    const numbered = summaries.size > 0 && (task.is_summary || !summaries.has(own));
    hang(nodes.get(task.id)!, numbered ? nearest(upper(own), summaries, nodes) : groupOf(shared.has(own) ? own : upper(own), 0));
  }
  for (const root of roots) sum(root, 0);
  return roots;
}

/** Codes that stand for a part: of several tasks, or above other codes. */
function sharedCodes(tasks: readonly Task[]): ReadonlySet<string> {
  const seen = new Set<string>();
  const shared = new Set<string>();
  for (const wbs of tasks.map(codeOf)) {
    if (seen.has(wbs)) shared.add(wbs);
    seen.add(wbs);
    for (let above = upper(wbs); above; above = upper(above)) shared.add(above);
  }
  return shared;
}

/** Files without a work breakdown often say it in the codes of their tasks: S holds S.roads. */
const codeOf = ({ wbs, code }: Task) => wbs || code;

const NO_DATES: TaskDates = { planned: [null, null], actual: [null, null], real: [null, null] };
const upper = (wbs: string) => wbs.slice(0, Math.max(0, wbs.lastIndexOf(".")));
const lastPart = (wbs: string) => wbs.slice(wbs.lastIndexOf(".") + 1);

function nearest(wbs: string, summaries: ReadonlyMap<string, string>, nodes: ReadonlyMap<string, Node>): Node | null {
  for (let code = wbs; code; code = upper(code)) {
    const found = summaries.get(code);
    if (found) return nodes.get(found)!;
  }
  return null;
}

/** A part spans what lies below it, and is critical when something below is. */
function sum(node: Node, depth: number): void {
  if (depth > DEPTH_MAX) return void (node.children = []);
  for (const child of node.children) sum(child, depth + 1);
  if (!node.children.length) return;
  const spans = node.children.map((child) => child.dates);
  if (!node.task) node.dates = { planned: span(spans.map((d) => d.planned)), actual: span(spans.map((d) => d.actual)), real: span(spans.map((d) => d.real)) };
  node.critical ||= node.children.some((child) => child.critical);
}

function span(all: readonly (readonly [number | null, number | null])[]): [number | null, number | null] {
  const known = (at: 0 | 1) => all.flatMap((one) => one[at] ?? []);
  const [starts, ends] = [known(0), known(1)];
  return [starts.length ? Math.min(...starts) : null, ends.length ? Math.max(...ends) : null];
}

/** The rows that are open to the eye; with `wanted` only tasks it lets through, and the way to them. */
export function rowsOf(roots: readonly Node[], closed: ReadonlySet<string>, wanted: ((task: Task) => boolean) | null): GanttRow[] {
  const rows: GanttRow[] = [];
  const walk = (node: Node, depth: number): boolean => {
    const at = rows.length;
    const leaf = !node.children.length;
    rows.push({ key: node.key, name: node.name, depth, task: node.task, dates: node.dates, open: leaf ? undefined : !closed.has(node.key), critical: node.critical });
    let found = !wanted || (node.task !== null && wanted(node.task));
    if (!closed.has(node.key) || wanted) for (const child of node.children) found = walk(child, depth + 1) || found;
    if (!found) rows.length = at;
    else if (closed.has(node.key)) rows.length = at + 1;
    return found;
  };
  for (const root of roots) walk(root, 0);
  return rows;
}

/** Everything below the second level is closed at first when the plan is long. */
export function closedAtFirst(roots: readonly Node[], rowsMax: number): Set<string> {
  const closed = new Set<string>();
  const levels: Node[][] = [[...roots]];
  let shown = roots.length;
  for (let level = levels[0]!; level.length; ) {
    const next = level.flatMap((node) => node.children);
    if (shown + next.length > rowsMax && levels.length > 1) {
      for (const node of level) if (node.children.length) closed.add(node.key);
      break;
    }
    shown += next.length;
    levels.push(next);
    level = next;
  }
  return closed;
}
