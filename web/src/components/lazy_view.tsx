import { signal } from "@preact/signals";
import type { ComponentType } from "preact";
import { Failed, Skeleton } from "./notice";

/** A component that is fetched the first time it is shown, so that the entry stays small. */
export function lazyView<Props extends object>(load: () => Promise<{ default: ComponentType<Props> }>, rows = 6): ComponentType<Props> {
  const loaded = signal<ComponentType<Props> | null>(null);
  const failed = signal(false);
  let asked = false;
  const ask = () => {
    asked = true;
    failed.value = false;
    load().then(
      (module) => (loaded.value = module.default),
      () => (failed.value = true),
    );
  };
  return function Lazy(props: Props) {
    if (!asked) ask();
    const Shown = loaded.value;
    if (failed.value) return <Failed problem={{ title: "", status: 0 }} retry={ask} />;
    return Shown ? <Shown {...props} /> : <Skeleton rows={rows} />;
  };
}
