// A real Chromium with the page in it. Any console error and any request to another host fails the check.
import { mkdirSync } from "node:fs";
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
export const WIDE = { width: 1440, height: 900 };
export const PHONE = { width: 390, height: 844 };

export async function launch(base) {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ARGS });
  const faults = [];

  /** A page in a context of its own. `allowed` matches console errors that the check provokes. */
  async function open(path = "/", { size = WIDE, theme = "light", language = "en", allowed = null, motion = "reduce" } = {}) {
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
    await page.waitForSelector(".connection[data-phase=open], .connection[data-phase=degraded]", { timeout: 15_000 });
    return page;
  }

  return { open, faults, base, close: () => browser.close() };
}

/** A picture of the page beside the test's results, where a folder was named for them. */
export async function picture(page, name) {
  const folder = process.env.PICTURES;
  if (!folder) return;
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: `${folder}/${name}.png` });
}

export function expect(holds, promise, seen) {
  if (!holds) throw new Error(`${promise}${seen === undefined ? "" : `; seen: ${JSON.stringify(seen)}`}`);
}

/** The text of an element once it satisfies `wanted`. */
export async function textWhen(page, selector, wanted, ms = 8_000) {
  const end = Date.now() + ms;
  let text = null;
  while (Date.now() < end) {
    text = await page.locator(selector).first().textContent({ timeout: 500 }).catch(() => null);
    if (text !== null && wanted(text)) return text;
    await page.waitForTimeout(50);
  }
  throw new Error(`${selector} never showed what was waited for; last: ${JSON.stringify(text)}`);
}
