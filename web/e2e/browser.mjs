// A real Chromium with the page in it. Any console error and any request to another host fails the check.
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const ARGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const LINKED = ".connection[data-phase=open], .connection[data-phase=degraded]";
export const PATIENCE_MS = 60_000; // a promise is about what happens, not about how fast a loaded machine is
export const WIDE = { width: 1440, height: 900 };
export const PHONE = { width: 390, height: 844 };

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export async function launch(base, more = []) {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: [...ARGS, ...more] });
  const faults = [];

  /** A page in a context of its own. `allowed` matches console errors that the check provokes. */
  async function open(path = "/", { size = WIDE, theme = "light", language = "en", allowed = null, motion = "reduce", still = false, ready = LINKED } = {}) {
    const phone = size.width < 500;
    const context = await browser.newContext({
      viewport: size,
      colorScheme: theme,
      reducedMotion: motion,
      timezoneId: "Asia/Taipei",
      hasTouch: phone,
      isMobile: phone,
    });
    await context.addInitScript((chosen) => {
      if (!localStorage.getItem("aid4.settings")) localStorage.setItem("aid4.settings", JSON.stringify({ language: chosen }));
    }, language);
    if (still) await context.addInitScript(withoutPoses);
    await context.addInitScript(watchDrawing);
    context.setDefaultTimeout(PATIENCE_MS);
    const page = await context.newPage();
    page.on("console", (message) => {
      if (message.type() === "error" && !allowed?.test(message.text())) faults.push(`console: ${message.text()}`);
    });
    page.on("pageerror", (error) => faults.push(`page: ${error.stack}`));
    page.on("request", (request) => {
      const url = request.url();
      if (!url.startsWith(base) && !/^(data|blob):/.test(url)) faults.push(`foreign request: ${url}`);
    });
    page.on("websocket", (socket) => {
      if (!socket.url().startsWith(base.replace("http", "ws"))) faults.push(`foreign socket: ${socket.url()}`);
    });
    await page.goto(base + path);
    await page.waitForSelector(ready);
    return page;
  }

  return { open, faults, base, close: () => browser.close() };
}

/** No drone moves: what the page asks for poses stays unsaid. */
function withoutPoses() {
  const { send } = WebSocket.prototype;
  WebSocket.prototype.send = function (text) {
    if (!String(text).includes('"poses":true')) send.call(this, text);
  };
}

/** When the last frame of 3D was begun: nothing moved, nothing is drawn. */
function watchDrawing() {
  window.drawnAt = performance.now();
  const { clear } = WebGL2RenderingContext.prototype;
  WebGL2RenderingContext.prototype.clear = function (mask) {
    window.drawnAt = performance.now();
    return clear.call(this, mask);
  };
}

/** Wait until the 3D view has not been drawn for so long: more than the clock of the page needs for two of its steps. */
export const rested = (page, ms = 2_500) => page.waitForFunction((quiet) => performance.now() - window.drawnAt > quiet, ms, { polling: 250 });

/** The 3D view once nothing draws it any more; with `before`, once it is another picture. */
export async function drawn(page, before = null) {
  for (const end = Date.now() + PATIENCE_MS; ; ) {
    await rested(page);
    const now = await inkOf(page, ".stage");
    if (now.hash !== before?.hash || Date.now() > end) return now;
  }
}

/** A picture of the page beside the test's results, where a folder was named for them; a cloud of points is best a `.jpg`. */
export async function picture(page, name) {
  const folder = process.env.PICTURES;
  if (!folder) return;
  mkdirSync(folder, { recursive: true });
  await page.screenshot(/\.jpg$/.test(name) ? { path: `${folder}/${name}`, type: "jpeg", quality: 72 } : { path: `${folder}/${name}.png` });
}

export function expect(holds, promise, seen) {
  if (!holds) throw new Error(`${promise}${seen === undefined ? "" : `; seen: ${JSON.stringify(seen)}`}`);
}

/** The text of an element once it satisfies `wanted`. */
export async function textWhen(page, selector, wanted, ms = PATIENCE_MS) {
  const end = Date.now() + ms;
  let text = null;
  while (Date.now() < end) {
    text = await page.locator(selector).first().textContent({ timeout: 500 }).catch(() => null);
    if (text !== null && wanted(text)) return text;
    await page.waitForTimeout(50);
  }
  throw new Error(`${selector} never showed what was waited for; last: ${JSON.stringify(text)}`);
}

/** What is serious to people with other eyes or hands. */
export async function axeFindings(page) {
  await page.evaluate(axe);
  return page.evaluate(async () =>
    (await axe.run(document, { resultTypes: ["violations"] })).violations
      .filter((one) => ["serious", "critical"].includes(one.impact))
      .map((one) => [one.id, one.nodes.length, one.nodes[0].html.slice(0, 160), one.nodes[0].failureSummary]),
  );
}

/** Controls that a finger would miss. */
export const smallTargets = (page) =>
  page.evaluate(() => {
    const controls = document.querySelectorAll("button, select, input:not([type=radio]), [role=treeitem], .view-link, summary");
    return [...controls].flatMap((element) => {
      const box = element.getBoundingClientRect();
      const hidden = !box.width || !element.checkVisibility() || element.closest("[data-roomy]");
      return hidden || (box.height >= 43.5 && box.width >= 43.5) ? [] : [`${element.outerHTML.slice(0, 90)} ${box.width}x${box.height}`];
    });
  });

/** What is drawn in the middle of an element: the share of pixels that are not its paper, and a print of them all. */
export async function inkOf(page, selector) {
  const box = await page.locator(selector).boundingBox();
  // one look: each costs a software-drawn frame
  const shot = `data:image/png;base64,${(await page.screenshot({ clip: box })).toString("base64")}`;
  return page.evaluate(
    async (url) => {
      const image = Object.assign(new Image(), { src: url });
      await image.decode();
      const { width, height } = image;
      const canvas = new OffscreenCanvas(width, height).getContext("2d");
      canvas.drawImage(image, 0, 0);
      const [r, g, b] = canvas.getImageData(2, Math.round(height / 2), 1, 1).data;
      const data = canvas.getImageData(Math.round(width * 0.15), Math.round(height * 0.15), Math.round(width * 0.7), Math.round(height * 0.7)).data;
      let [ink, hash] = [0, 0];
      for (let i = 0; i < data.length; i += 4) {
        if (Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b) > 12) ink++;
        hash = (Math.imul(hash, 31) + (data[i] << 16) + (data[i + 1] << 8) + data[i + 2]) | 0;
      }
      return { share: ink / (data.length / 4), hash };
    },
    shot,
  );
}
