// node e2e/screenshot.mjs [BASE] [OUT]: the picture of the README, of a real `aid4 run`; without BASE it starts one of its own.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { launch, textWhen, WIDE } from "./browser.mjs";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../..");
const SPEED = "60";
const MOVEMENT_S = 280; // so that the last five minutes are full of movement
const [given, out = join(ROOT, "docs/screenshot.png")] = process.argv.slice(2);

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
  await page.screenshot({ path: out });
} finally {
  await browser.close();
  park?.stop();
}
if (browser.faults.length) throw new Error(browser.faults.join("\n"));

function startPark() {
  const folder = mkdtempSync(join(tmpdir(), "aid4-screenshot-"));
  const python = process.env.PYTHON ?? join(ROOT, ".venv/bin/python");
  const command = ["-m", "aid4", "run", "--data-dir", folder, "--port", "0", "--speed", SPEED];
  const running = spawn(python, command, { cwd: ROOT, stdio: ["ignore", "pipe", "inherit"] });
  const stop = () => running.kill("SIGINT");
  running.on("exit", () => rmSync(folder, { recursive: true, force: true }));
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
