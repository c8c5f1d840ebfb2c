import { signal } from "@preact/signals";
import type { ComponentType } from "preact";
import type { Point } from "../api/types";
import { Failed, Skeleton } from "../components/notice";

interface ChartsProps {
  points: readonly Point[];
  height?: number;
  onRemove?: (point: number) => void;
}

const loaded = signal<ComponentType<ChartsProps> | null>(null);
const failed = signal(false);
let asked = false;

function load(): void {
  asked = true;
  failed.value = false;
  import("./index").then(
    (module) => (loaded.value = module.default),
    () => (failed.value = true),
  );
}

/** The charts, fetched the first time one is shown: the overview does not wait for them. */
export function LazyCharts(props: ChartsProps) {
  if (!asked) load();
  const Charts = loaded.value;
  if (failed.value) return <Failed problem={{ title: "", status: 0 }} retry={load} />;
  return Charts ? <Charts {...props} /> : <Skeleton rows={2} />;
}
