// node e2e/screenshot.mjs [BASE] [FOLDER]: the pictures of the README and docs, of a real `aid4 run`; without BASE it starts one of its own.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { launch, textWhen, WIDE } from "./browser.mjs";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../..");
const SPEED = "60";
const MOVEMENT_S = 280; // so that the last five minutes are full of movement
const SMALLER = { width: 1160, height: 720 }; // so that a picture of the model stays below 300 KB
const TALLER = { width: 1160, height: 1080 };
const [given, folder = join(ROOT, "docs")] = process.argv.slice(2);

const park = given ? null : await startPark();
const browser = await launch(given || park.url);
try {
  const page = await browser.open("/?span=300", { size: WIDE });
  await textWhen(page, ".park .figure:first-child .number", (text) => Number(text) > 0, 30_000);
  if (park) await page.waitForTimeout(MOVEMENT_S * 1_000);
  await page.reload(); // the traces of the figures from the store, not only since the page was opened
  await textWhen(page, ".card .card-values", (text) => /\d/.test(text), 30_000);
  await page.waitForTimeout(2_000);
  await page.mouse.move(5, 5);
  await page.screenshot({ path: join(folder, "screenshot.png") });
  const plan = await page.evaluate(async () => (await (await fetch("/api/v1/schedule?limit=1")).json()).schedule);
  const [from, to] = [Date.parse(plan.start), Date.parse(plan.finish)];
  const iso = (share) => new Date(from + (to - from) * share).toISOString();
  const built = `from=${iso(0)}&to=${iso(1.12)}&at=${iso(0.38)}`;
  for (const [name, path, there, rest_ms, size] of [
    ["model", `/model?colour=plan&${built}`, ".stage[data-phase=open]", 6_000, SMALLER],
    ["rooms", "/plan?colour=value&class=temperature", ".scale-legend", 3_000, SMALLER],
    ["schedule", "/schedule", ".gantt-row", 3_000, TALLER],
  ]) {
    const view = await browser.open(path, { size });
    await view.waitForSelector(there, { timeout: 90_000 });
    await view.waitForTimeout(rest_ms);
    await view.screenshot({ path: join(folder, `screenshot-${name}.png`) });
    await view.context().close();
  }
} finally {
  await browser.close();
  park?.stop();
}
if (browser.faults.length) throw new Error(browser.faults.join("\n"));

function startPark() {
  const data = mkdtempSync(join(tmpdir(), "aid4-screenshot-"));
  const python = process.env.PYTHON ?? join(ROOT, ".venv/bin/python");
  const command = ["-m", "aid4", "run", "--data-dir", data, "--port", "0", "--speed", SPEED];
  const running = spawn(python, command, { cwd: ROOT, stdio: ["ignore", "pipe", "inherit"] });
  const stop = () => running.kill("SIGINT");
  running.on("exit", () => rmSync(data, { recursive: true, force: true }));
  return new Promise((done, failed) => {
    let text = "";
    running.stdout.on("data", (part) => {
      text += part;
      const url = /page\s+(http:\S+?)\/?\s/.exec(text)?.[1];
      if (url) done({ url, stop });
    });
    running.on("exit", (status) => failed(new Error(`aid4 run ended with ${status}: ${text}`)));
  });
}
