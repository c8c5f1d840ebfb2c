import type { Point } from "../api/types";
import { lazyView } from "../components/lazy_view";

interface ChartsProps {
  points: readonly Point[];
  height?: number;
  onRemove?: (point: number) => void;
}

/** The charts, fetched the first time one is shown: the overview does not wait for them. */
export const LazyCharts = lazyView<ChartsProps>(() => import("./index"), 2);
