import { defineConfig } from "vitest/config";

/** Apart from the build's configuration: the page is built without the test tools. */
export default defineConfig({
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  test: { include: ["test/**/*.test.ts"], environment: "node" },
});
