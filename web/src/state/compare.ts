import { signal } from "@preact/signals";

/** What the charts are laid beside: nothing, the same points a day or a week ago, or the work planned around them. */
export const COMPARISONS = ["none", "day", "week", "plan"] as const;
export type Comparison = (typeof COMPARISONS)[number];

const DAY_MS = 86_400_000;
export const COMPARE_MS: Record<Comparison, number> = { none: 0, day: DAY_MS, week: 7 * DAY_MS, plan: 0 };

export const compare = signal<Comparison>("none");
export const comparisonOf = (text: string | null): Comparison => COMPARISONS.find((one) => one === text) ?? "none";
