import { t, type Key } from "../i18n";
import * as format from "../i18n/format";
import { pointName, points, zone } from "../state/catalogue";
import { markGroups, type Mark, type MarkGroup } from "../state/marks";
import { nowMs, range, seek } from "../state/time";
import { Icon, type IconName } from "./icon";

const NAMED_MAX = 4;
const KIND: Record<Mark["kind"], { icon: IconName; text: Key }> = {
  alarm: { icon: "high", text: "mark.alarms" },
  flight: { icon: "drone", text: "mark.flights" },
  scan: { icon: "scan", text: "mark.scans" },
  milestone: { icon: "diamond", text: "mark.milestones" },
};

/** On the time line: where now is, what rang, when somebody flew or scanned, and the milestones of the plan. */
export function TimeMarks() {
  const { from, to } = range.value;
  const share = (ms: number) => Math.min(1, Math.max(0, (ms - from) / (to - from)));
  const now = nowMs.value;
  return (
    <div class="track-marks" aria-hidden="true">
      {now > from && now < to && <span class="mark-now" style={{ insetInlineStart: `${share(now) * 100}%` }} />}
      {markGroups.value.map((group) => (
        <Group key={group.marks[0]!.id} group={group} left={share(group.at)} right={share(group.to ?? now)} />
      ))}
    </div>
  );
}

function Group({ group, left, right }: { group: MarkGroup; left: number; right: number }) {
  const first = group.marks[0]!;
  const { icon } = KIND[group.kind];
  return (
    <span
      class="mark"
      data-kind={group.kind}
      data-priority={first.priority}
      style={{ insetInlineStart: `${left * 100}%`, "--length": `${(right - left) * 100}cqw` }}
      title={titleOf(group)}
      onClick={() => seek(first.at)}
    >
      <Icon name={icon} size={group.kind === "alarm" ? 9 : 11} />
      {group.marks.length > 1 && group.kind !== "milestone" && <span class="num">{group.marks.length}</span>}
    </span>
  );
}

function titleOf({ kind, marks }: MarkGroup): string {
  const named = marks.slice(0, NAMED_MAX).map((mark) => `${nameOf(mark)} · ${format.shortMoment(mark.at, zone.value)}`);
  const rest = marks.length - named.length;
  return [t(KIND[kind].text, { n: marks.length }), ...named, ...(rest > 0 ? [t("change.more", { n: rest })] : [])].join("\n");
}

function nameOf(mark: Mark): string {
  const point = typeof mark.point === "number" ? points.value.get(mark.point) : undefined;
  return point ? pointName(point) : mark.name;
}
