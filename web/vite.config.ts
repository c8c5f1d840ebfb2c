import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { defineConfig, type Plugin } from "vite";

const OUT = "../twin/static";

/** Stable file names: the twin serves them with ETags, and a rebuild of the same source is the same bytes. */
export default defineConfig({
  base: "/",
  plugins: [packed()],
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: OUT,
    emptyOutDir: true,
    target: "es2022",
    modulePreload: { polyfill: false },
    rolldownOptions: {
      output: {
        entryFileNames: "page/[name].js",
        chunkFileNames: "page/[name].js",
        assetFileNames: "page/[name][extname]",
      },
    },
  },
  server: { proxy: { "/api": { target: "http://127.0.0.1:8420", ws: true } } },
});

/** Beside every text file its gzip, which the twin hands out as it is. */
function packed(): Plugin {
  let folder = OUT;
  return {
    name: "packed",
    apply: "build",
    configResolved: (config) => void (folder = `${config.root}/${config.build.outDir}`),
    closeBundle() {
      for (const name of readdirSync(`${folder}/page`)) {
        const path = `${folder}/page/${name}`;
        writeFileSync(`${path}.gz`, gzipSync(readFileSync(path), { level: 9 }));
      }
    },
  };
}
