import type { ComponentChildren } from "preact";
import { go, path, type Route } from "../state/route";

interface LinkProps {
  to: Route;
  class?: string;
  current?: boolean;
  title?: string;
  children: ComponentChildren;
}

/** A real link (copy, open in a new tab) that changes the view without loading the page again. */
export function Link({ to, current, children, ...rest }: LinkProps) {
  return (
    <a
      href={path(to)}
      {...rest}
      aria-current={current ? "page" : undefined}
      onClick={(event) => {
        if (event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
        event.preventDefault();
        go(to);
      }}
    >
      {children}
    </a>
  );
}
