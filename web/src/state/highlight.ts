import { signal } from "@preact/signals";

/** What a task of the plan builds, or whatever else was chosen elsewhere, shown in the model and the plan. */
export interface Highlight {
  ids: readonly string[];
  name: string;
  task: string | null;
}

const NONE: Highlight = { ids: [], name: "", task: null };
export const highlight = signal<Highlight>(NONE);
export const clearHighlight = () => (highlight.value = NONE);
