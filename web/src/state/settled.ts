import { useEffect, useState } from "preact/hooks";

const SETTLE_MS = 250;

/** A value once it has rested: what is asked of the twin while a slider moves. */
export function useSettled<T>(value: T, ms: number = SETTLE_MS): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return settled;
}
