// node e2e/bench.mjs BASE PART JSON: one part of `aid4 bench ui` in a real Chromium; its figures as one JSON document.
import { launch, WIDE } from "./browser.mjs";

const PARTS = { entry, live, pixels, chart, scrub };
const STEPS_SETTLE_MS = 400;

/** Nothing of 3D, charts or other languages comes before it is asked for; then it does. */
async function entry(browser) {
  const page = await browser.open("/", { allowed: /404/ });
  const loaded = () => page.evaluate(() => performance.getEntriesByType("resource").map((one) => new URL(one.name).pathname));
  await page.waitForLoadState("networkidle");
  const first = await loaded();
  await page.click(".view-model");
  await page.waitForFunction(() => performance.getEntriesByType("resource").some((one) => one.name.endsWith("/model.js")));
  return { files_first: first.filter((path) => path.startsWith("/page/")), model_first: first.some((path) => path.endsWith("/model.js")), model_when_opened: true };
}

/** The overview while every point changes: frames of data, how busy the main thread is, what stays on the heap. */
async function live(browser, { seconds, points }) {
  const sockets = [];
  const page = await browser.open("/nodes", { size: WIDE, allowed: /404/ });
  page.on("websocket", (socket) => sockets.push(watched(socket)));
  await page.goto(`${browser.base}/`);
  await page.waitForFunction((wanted) => Number(/([\d,]+) points/.exec(document.body.textContent)?.[1]?.replaceAll(",", "")) >= wanted, points);
  await page.waitForTimeout(10_000); // what is loaded once is loaded
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("Performance.enable", { timeDomain: "threadTicks" }); // of the thread, not of the clock: neighbours do not count
  const before = await measured(cdp);
  const counted = sockets.map((one) => one.values);
  await page.waitForTimeout(seconds * 1_000);
  const after = await measured(cdp);
  const frames = sockets.reduce((sum, one, i) => sum + one.values - (counted[i] ?? 0), 0);
  const asked = sockets.flatMap((one) => one.asked);
  await page.goto(`${browser.base}/nodes`);
  await page.waitForSelector("h1");
  return {
    seconds,
    sockets: sockets.filter((one) => !one.closedEarly).length - 1,
    frames_per_s: frames / seconds,
    main_thread_busy: (after.TaskDuration - before.TaskDuration) / (after.Timestamp - before.Timestamp),
    heap_growth_mb: (after.heap - before.heap) / 1e6,
    asked_all: asked.some((one) => one.points === "all"),
  };
}

function watched(socket) {
  const one = { values: 0, asked: [], closedEarly: false };
  socket.on("framereceived", ({ payload }) => (one.values += String(payload).startsWith('{"type":"values"')));
  socket.on("framesent", ({ payload }) => {
    const sent = JSON.parse(String(payload));
    if (sent.type === "subscribe") one.asked.push(sent);
  });
  return one;
}

async function measured(cdp) {
  await cdp.send("HeapProfiler.collectGarbage");
  await cdp.send("HeapProfiler.collectGarbage");
  const { metrics } = await cdp.send("Performance.getMetrics");
  const of = (name) => metrics.find((one) => one.name === name).value;
  return { TaskDuration: of("TaskDuration"), Timestamp: of("Timestamp"), heap: of("JSHeapUsedSize") };
}

/** From the change of a value at its source to the frame that shows it. */
async function pixels(browser, { seconds, modulo }) {
  const page = await browser.open("/device/live/probe", { allowed: /404/ });
  await page.waitForFunction(() => (document.querySelector(".tile .number")?.textContent ?? "").replace(/\D/g, "").length > 4);
  const ages = await page.evaluate(
    ([time_s, wrap]) =>
      new Promise((done) => {
        const found = [];
        const shown = () => Number(document.querySelector(".tile .number").textContent.replace(/\D/g, ""));
        let last = shown();
        const end = performance.now() + time_s * 1_000;
        const look = () => {
          const now = shown();
          // two frames on, what the mutation asked for is on the screen
          if (now !== last) requestAnimationFrame(() => requestAnimationFrame(() => found.push((Date.now() - now + wrap) % wrap)));
          last = now;
          if (performance.now() < end) requestAnimationFrame(look);
          else setTimeout(() => done(found), 100);
        };
        look();
      }),
    [seconds, modulo],
  );
  ages.sort((a, b) => a - b);
  const at = (share) => ages[Math.min(ages.length - 1, Math.floor(ages.length * share))];
  return { changes: ages.length, p50_ms: at(0.5), p99_ms: at(0.99), worst_ms: ages.at(-1) };
}

/** A month of one point after another, from the click on its name to the drawn line; the code is there. */
async function chart(browser, { from, to, points }) {
  const page = await browser.open(`/point/${points[0]}?from=${from}&to=${to}&at=${to}`, { allowed: /404/ });
  await page.waitForFunction(drawnLine);
  const times = [];
  for (const point of points.slice(1)) {
    times.push(
      await page.evaluate(async (id) => {
        document.querySelector(".plot")?.remove();
        const begun = performance.now();
        const link = Object.assign(document.createElement("a"), { href: `/point/${id}${location.search}` });
        history.pushState(null, "", link.href);
        dispatchEvent(new PopStateEvent("popstate"));
        for (;;) {
          await new Promise(requestAnimationFrame);
          const canvas = document.querySelector(`.plot canvas`);
          if (!canvas || performance.now() - begun > 30_000) {
            if (performance.now() - begun > 30_000) return Infinity;
            continue;
          }
          const colour = getComputedStyle(document.documentElement).getPropertyValue("--series-1").trim();
          const [r, g, b] = [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));
          const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
          let ink = 0;
          for (let i = 0; i < data.length; i += 16) if (data[i + 3] > 100 && Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b) < 60) ink++;
          if (ink > 50) return performance.now() - begun;
        }
      }, point),
    );
  }
  times.sort((a, b) => a - b);
  return { charts: times.length, median_ms: times[Math.floor(times.length / 2)], worst_ms: times.at(-1) };
}

const drawnLine = () => document.querySelector(".plot canvas") !== null;

/** The slider walks the plan over the model: what the twin takes for an instant, and what goes to the graphics card. */
async function scrub(browser, { steps, from, to }) {
  const page = await browser.open("/", { size: { width: 640, height: 400 }, allowed: /404/ });
  await page.context().addInitScript(() => {
    window.uploads = 0;
    const { prototype } = WebGL2RenderingContext;
    for (const name of ["texImage2D", "texSubImage2D"]) {
      const own = prototype[name];
      prototype[name] = function (...given) {
        window.uploads++;
        return own.apply(this, given);
      };
    }
  });
  await page.goto(`${browser.base}/model?colour=plan&from=${from}&to=${to}&at=${from}`);
  await page.waitForSelector(".stage[data-phase=open]");
  await page.waitForLoadState("networkidle");
  const slider = page.locator(".track input[type=range]");
  const uploads = [];
  for (let step = 1; step <= steps; step++) {
    const before = await page.evaluate(() => window.uploads);
    await slider.fill(String(Math.round((step / (steps + 1)) * 1_000)));
    await page.waitForTimeout(STEPS_SETTLE_MS);
    uploads.push((await page.evaluate(() => window.uploads)) - before);
  }
  const server = await page.evaluate(
    async ([start, end, times]) => {
      const found = [];
      let elements = 0;
      for (let i = 0; i < times; i++) {
        const at = new Date(start + ((end - start) * (i + 0.5)) / times).toISOString();
        const begun = performance.now();
        const answer = await (await fetch(`/api/v1/state?at=${at}&include=elements&limit=1`)).json();
        found.push(performance.now() - begun);
        elements = answer.elements?.global_id.length ?? 0;
      }
      return { elements, ms: found.sort((a, b) => a - b) };
    },
    [Date.parse(from), Date.parse(to), steps],
  );
  return { steps, elements: server.elements, server_median_ms: server.ms[Math.floor(server.ms.length / 2)], server_worst_ms: server.ms.at(-1), texture_uploads_a_step: Math.max(...uploads) };
}

const [base, part, text] = process.argv.slice(2);
if (!PARTS[part]) {
  console.error(`usage: node e2e/bench.mjs BASE PART JSON; parts: ${Object.keys(PARTS).join(" ")}`);
  process.exit(2);
}
const browser = await launch(base);
let failed = null;
try {
  console.log(JSON.stringify(await PARTS[part](browser, JSON.parse(text ?? "{}"))));
} catch (error) {
  failed = error;
}
await browser.close();
if (failed) console.error(failed.stack);
for (const fault of browser.faults) console.error(fault);
process.exit(failed ? 1 : 0);
