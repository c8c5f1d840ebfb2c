import { effect, untracked } from "@preact/signals";
import * as queries from "../api/queries";
import type { Site } from "../api/types";
import { loadCatalogue, site } from "./catalogue";
import { loadFlights } from "./flights";
import { link } from "./link";
import { loadSchedule } from "./schedule";

/** A model, a plan or a new device may come live while the page is open: the twin is asked now and then, and often at first. */

const SOON_MS = 3_000;
const LATER_MS = 30_000;
const SOON_TIMES = 20;

const stamp = ({ counts, model, schedule, title, time_zone }: Site) =>
  JSON.stringify([counts.points, counts.bound_points, counts.elements, counts.devices, model?.sha256, schedule?.revision, title, time_zone]);

/** What plans and elements hang on: a new point leaves them as they are, and they are much to ask for. */
const planStamp = ({ counts, model, schedule, time_zone }: Site) => JSON.stringify([counts.elements, model?.sha256, schedule?.revision, time_zone]);

/** What exists is loaded at the start, whenever the twin comes back, and when it says that something else exists. */
export function followCatalogue(): void {
  effect(() => {
    const { phase } = link.value;
    untracked(() => {
      if (phase === "open" || !site.value) void load();
    });
  });
  let asked = 0;
  const later = () => setTimeout(() => void look(), asked++ < SOON_TIMES ? SOON_MS : LATER_MS);
  const look = async () => {
    try {
      const known = site.peek();
      const now = document.hidden || link.peek().phase !== "open" || !known ? null : await queries.site();
      if (now && known && stamp(now) !== stamp(known)) await load(planStamp(now) !== planStamp(known));
    } catch {
      // the link says that the twin is away
    }
    later();
  };
  later();
}

const load = (plan = true) => Promise.all([loadCatalogue().then(() => (plan ? loadSchedule() : undefined)), loadFlights()]);
