import { useComputed } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Point } from "../api/types";
import { t } from "../i18n";
import * as format from "../i18n/format";
import { unitText } from "../i18n/units";
import { conditionOf } from "../state/condition";
import { useInterest } from "../state/interest";
import { go, path, route } from "../state/route";
import { at } from "../state/time";
import { cell } from "../state/values";
import { ConditionMark } from "./condition_mark";
import { Icon } from "./icon";
import type { Row } from "./tree_rows";

const OVERSCAN = 6;

/** A tree of any length: only the rows in sight exist, and only their points are subscribed. */
export function TreeList({ rows, onToggle }: { rows: readonly Row[]; onToggle: (key: string, to?: boolean) => void }) {
  const host = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const [size, setSize] = useState({ height: 600, row: 32 });
  const [active, setActive] = useState(0);
  useEffect(() => {
    const element = host.current!;
    const measure = () => setSize({ height: element.clientHeight, row: parseFloat(getComputedStyle(element).getPropertyValue("--row")) || 32 });
    const watch = new ResizeObserver(measure);
    watch.observe(element);
    return () => watch.disconnect();
  }, []);

  const first = Math.max(0, Math.floor(top / size.row) - OVERSCAN);
  const last = Math.min(rows.length, Math.ceil((top + size.height) / size.row) + OVERSCAN);
  const shown = rows.slice(first, last);
  useInterest(shown.flatMap((row) => row.point?.id ?? []));

  const focusRow = (index: number) => {
    const next = Math.max(0, Math.min(rows.length - 1, index));
    setActive(next);
    const element = host.current!;
    if (next * size.row < element.scrollTop) element.scrollTop = next * size.row;
    else if ((next + 1) * size.row > element.scrollTop + element.clientHeight) element.scrollTop = (next + 1) * size.row - element.clientHeight;
  };
  const keys = (event: KeyboardEvent) => {
    const row = rows[active];
    const actions: Record<string, () => void> = {
      ArrowDown: () => focusRow(active + 1),
      j: () => focusRow(active + 1),
      ArrowUp: () => focusRow(active - 1),
      k: () => focusRow(active - 1),
      Home: () => focusRow(0),
      End: () => focusRow(rows.length - 1),
      ArrowRight: () => row?.open === false && onToggle(row.key, true),
      ArrowLeft: () => (row?.open ? onToggle(row.key, false) : focusRow(parentOf(rows, active))),
      Enter: () => row && go(row.to),
      " ": () => row?.open !== undefined && onToggle(row.key),
    };
    const action = actions[event.key];
    if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    action();
  };
  const here = path(route.value);
  return (
    <div
      class="tree"
      ref={host}
      role="tree"
      tabIndex={0}
      aria-label={t("browse.tree")}
      aria-activedescendant={rows[active] ? `row-${active}` : undefined}
      onScroll={(event) => setTop(event.currentTarget.scrollTop)}
      onKeyDown={keys}
    >
      <div role="presentation" style={{ height: `${rows.length * size.row}px` }}>
        {shown.map((row, i) => (
          <TreeRow
            key={row.key}
            row={row}
            index={first + i}
            top={(first + i) * size.row}
            active={first + i === active}
            current={path(row.to) === here && row.to.view !== "nodes"}
            onToggle={onToggle}
            onPick={() => (setActive(first + i), go(row.to))}
          />
        ))}
      </div>
    </div>
  );
}

interface TreeRowProps {
  row: Row;
  index: number;
  top: number;
  active: boolean;
  current: boolean;
  onToggle: (key: string) => void;
  onPick: () => void;
}

function TreeRow({ row, index, top, active, current, onToggle, onPick }: TreeRowProps) {
  return (
    <div
      class="tree-row"
      id={`row-${index}`}
      role="treeitem"
      aria-level={row.depth + 1}
      aria-expanded={row.open}
      aria-selected={current}
      data-active={active || undefined}
      style={{ transform: `translateY(${top}px)`, paddingInlineStart: `${8 + row.depth * 14}px` }}
      onClick={onPick}
    >
      <span
        class="twist"
        data-open={row.open}
        onClick={(event) => {
          if (row.open === undefined) return;
          event.stopPropagation();
          onToggle(row.key);
        }}
      >
        {row.open !== undefined && <Icon name="chevron" size={12} />}
      </span>
      <Icon name={row.icon} size={14} />
      <span class="tree-text">
        {row.text} {row.detail && <span class="muted">{row.detail}</span>}
      </span>
      {row.point ? <RowValue point={row.point} /> : row.count > 0 && <span class="count num">{format.number(row.count)}</span>}
    </div>
  );
}

function RowValue({ point }: { point: Point }) {
  const source = cell(point.id);
  const condition = useComputed(() => conditionOf(point, source.value, at.value)).value;
  return (
    <span class="row-value" data-condition={condition}>
      {condition !== "ok" && <ConditionMark condition={condition} compact />}
      {condition === "stale" && source.value?.t != null && <span class="muted num">{format.duration((at.value - source.value.t) / 1000)}</span>}
      <span class="num">{format.value(source.value?.v ?? null)}</span>
      {point.unit && <span class="muted">{unitText(point.unit)}</span>}
    </span>
  );
}

function parentOf(rows: readonly Row[], index: number): number {
  const depth = rows[index]?.depth ?? 0;
  for (let i = index - 1; i >= 0; i--) if (rows[i]!.depth < depth) return i;
  return index;
}
