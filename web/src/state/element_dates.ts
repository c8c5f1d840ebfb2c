import { get } from "../api/http";
import type { ElementPlan, ElementRow, Page } from "../api/types";
import { twinNow } from "./time";

const PAGE = 5_000;
const ELEMENTS_MAX = 200_000;

/** Planned start and finish, real start and finish of an element, epoch ms. */
export type ElementDates = [number | null, number | null, number | null, number | null];

/** Every element's dates, page by page; an element that no task decides has none. */
export async function* elementDates(signal: AbortSignal): AsyncGenerator<[string, ElementDates][]> {
  const now = twinNow();
  for (let offset: number | null = 0; offset !== null && offset < ELEMENTS_MAX; ) {
    const page: Page<ElementRow> = await get<Page<ElementRow>>("/elements", { limit: PAGE, offset }, signal);
    yield page.items.flatMap(({ id, plan }): [string, ElementDates][] => (plan && plan.start ? [[id, datesOf(plan, now)]] : []));
    offset = page.next;
  }
}

/** As with tasks: what was not reported by now has not happened, unless nobody reports of it at all. */
export function datesOf(plan: ElementPlan, now: number): ElementDates {
  const earliest = plan.actual === "unknown" ? -Infinity : now;
  const ms = (iso: string | null | undefined) => (iso ? Date.parse(iso) : null);
  const later = (at: number | null) => (at === null ? null : Math.max(at, earliest));
  const [start, finish] = [ms(plan.start), ms(plan.finish)];
  return [start, finish, ms(plan.actual_start) ?? later(start), ms(plan.actual_finish) ?? later(ms(plan.forecast_finish) ?? finish)];
}
