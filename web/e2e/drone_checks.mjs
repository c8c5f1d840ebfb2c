// Drones, flights, scans and the site's map: against an `aid4 run` of the campus, with files made here and dropped in.
import { axeFindings, drawn, expect, PHONE, picture, smallTargets, textWhen, WIDE } from "./browser.mjs";

const SMALL = { width: 960, height: 600 };
/** Two halves are two drawings a frame, and software draws each pixel. */
const TINY = { width: 920, height: 480 };
const WORKED_MS = 240_000; // a log or a cloud is read and judged by a child of a busy machine
const api = async (page, path) => page.evaluate(async (asked) => (await fetch(`/api/v1${asked}`)).json(), path);
const stamp = (ms) => new Date(ms).toISOString().slice(0, 23).replace("T", " ");
const clock = (ms) => new Date(ms).toISOString().slice(11, 23).replace(".", ",");

/** Subtitles of a drone that flies lanes over the campus, as a DJI writes them. */
function subtitles(seconds) {
  const lines = [];
  for (let i = 0; i < seconds; i++) {
    const [lane, along] = [Math.floor(i / 40), i % 40];
    const east = (lane % 2 ? 39 - along : along) * 6 - 120;
    const lat = 48.96393 + (lane * 20 - 40) / 111_320;
    const lon = 18.16892 + east / 73_090;
    const told = `[iso : 100] [shutter : 1/500.0] [fnum : 280] [ev : 0] [ct : 5500] [color_md : default] [focal_len : 240] [latitude: ${lat.toFixed(6)}] [longitude: ${lon.toFixed(6)}] [rel_alt: 40.000 abs_alt: 316.500]`;
    lines.push(`${i + 1}\n${clock(i * 1_000)} --> ${clock(i * 1_000 + 1_000)}\n<font size="28">SrtCnt : ${i + 1}, DiffTime : 1000ms\n${stamp(Date.UTC(2026, 4, 4, 8) + i * 1_000)}\n${told} </font>\n`);
  }
  return Buffer.from(lines.join("\n"));
}

/** A cloud that lies nowhere near the model. */
function farCloud() {
  const rows = Array.from({ length: 400 }, (_, i) => `${(900_000 + (i % 20)).toFixed(2)} ${(700_000 + Math.floor(i / 20)).toFixed(2)} ${(i % 7).toFixed(2)}`);
  return Buffer.from(`ply\nformat ascii 1.0\nelement vertex ${rows.length}\nproperty float x\nproperty float y\nproperty float z\nend_header\n${rows.join("\n")}\n`);
}

/** Send a file as a person does, with the time when it was taken; the row that tells of it once it has ended. */
async function sent(page, name, buffer, taken) {
  await page.fill(".drop-taken input", taken);
  await page.setInputFiles(".drop-zone input[type=file]", { name, mimeType: "application/octet-stream", buffer });
  const row = page.locator(".sent-list li", { hasText: name }).first();
  await page.waitForFunction((wanted) => [...document.querySelectorAll(".sent-list li")].some((one) => one.textContent.includes(wanted) && ["done", "refused", "failed"].includes(one.dataset.state)), name, { timeout: WORKED_MS });
  return row;
}

/** A flight that was dropped in; made once for all checks. */
async function flown(page) {
  const found = (await api(page, "/flights")).items.find((one) => one.file === "lanes.SRT");
  if (found) return found.id;
  const row = await sent(page, "lanes.SRT", subtitles(200), "2026-05-04T10:00");
  expect((await row.getAttribute("data-state")) === "done", "the log was read", await row.textContent());
  await row.locator("a").first().click();
  await page.waitForSelector(".flight-panel[data-id]");
  return page.locator(".flight-panel").getAttribute("data-id");
}

export async function a_log_is_dropped_in_and_the_flight_is_walked_in_time({ open }) {
  const page = await open("/flights");
  const id = await flown(page);
  await page.goto(new URL(`/flights/${id}`, page.url()).href);
  const facts = await textWhen(page, ".flight-panel .facts-list", (text) => /\d+:\d\d min/.test(text) && /km|\d m/.test(text));
  expect(facts.includes("relative"), "what its heights are above", facts);
  await page.waitForSelector(".track-map .track-hit");
  await page.click(".flight-panel .button.primary");
  await page.waitForSelector(".app[data-mode=playing]");
  await page.waitForSelector(".track-drone");
  await page.keyboard.press("Space");
  await page.waitForSelector(".app[data-mode=paused]");
  const before = await page.locator(".track-drone").first().getAttribute("transform");
  await page.locator(".track input[type=range]").fill("700");
  await page.waitForFunction((then) => document.querySelector(".track-drone")?.getAttribute("transform") !== then, before);
  expect((await page.locator(".mark[data-kind=flight]").count()) >= 1, "the time line shows when it flew");
  await picture(page, "flight");
  await page.click(".flight-panel .button:has-text('Show on the map')");
  await page.waitForSelector(".sheet[data-site] svg");
  await page.waitForSelector(".track-overlay .track-flown");
  expect(new URL(page.url()).searchParams.get("flight") === id, "the address names the flight", page.url());
  await page.keyboard.press("l");
  await page.waitForSelector(".app[data-mode=live]");
}

export async function a_flight_is_seen_in_3d_at_the_instant_shown({ open }) {
  const page = await open("/flights", { size: SMALL });
  const id = await flown(page);
  const flight = await api(page, `/flights/${id}?width=3`);
  const at = (share) => new Date(Date.parse(flight.start) + share * (Date.parse(flight.end) - Date.parse(flight.start))).toISOString();
  await page.goto(new URL(`/model?flight=${id}&from=${at(0)}&to=${at(1)}&at=${at(0.5)}`, page.url()).href);
  await page.waitForSelector(".stage[data-phase=open]");
  const flag = page.locator(`.drone-flag[data-device="${flight.device}"]`);
  await flag.waitFor();
  expect(/40 m/.test(await flag.textContent()), "the drone says how high it is", await flag.textContent());
  const before = await flag.getAttribute("style");
  await page.keyboard.press("ArrowRight");
  await page.waitForFunction(([device, then]) => document.querySelector(`.drone-flag[data-device="${device}"]`)?.getAttribute("style") !== then, [flight.device, before]);
  await picture(page, "flight-3d");
}

export async function the_live_drone_moves_on_the_map({ open }) {
  const page = await open("/map");
  const drone = page.locator(".track-drone[data-device]").first();
  await drone.waitFor({ state: "attached", timeout: WORKED_MS });
  const { drones } = await api(page, "/state?limit=1");
  expect(drones.length >= 1 && drones[0].x !== null, "the twin knows where it is", drones);
  const houses = await page.locator(".house-label").allTextContents();
  expect(houses.length >= 4, "houses are named", houses);
  expect(/\d+ m/.test(await page.locator(".scale-bar").textContent()), "a scale is drawn");
  await picture(page, "map");
  await page.locator(".house-label").first().click();
  await page.waitForFunction(() => location.pathname === "/plan" && location.search.includes("storey="));
}

export async function a_cloud_that_does_not_fit_is_refused_with_what_to_do({ open }) {
  const page = await open("/scans");
  const row = await sent(page, "nowhere.ply", farCloud(), "2026-05-04T10:00");
  const why = await row.textContent();
  expect((await row.getAttribute("data-state")) === "refused" && /What to do/.test(why), "refused, with the fix", why);
  await row.locator("a").first().click();
  await textWhen(page, ".refusal", (text) => text.includes("What to measure") || text.length > 40);
  await textWhen(page, ".verdicts tbody", (text) => text.includes("Not decided"));
  await page.click(".verdict-tools button:has-text('Built')");
  await textWhen(page, ".verdicts", (text) => text.includes("No element matches"));
  await picture(page, "scan-refused");
}

export async function two_dates_of_the_plan_are_seen_side_by_side({ open }) {
  const page = await open("/model?colour=plan", { size: TINY, still: true });
  await page.waitForSelector(".stage[data-phase=open]");
  await page.click("[aria-label='Compare side by side']");
  await page.fill(".swipe-side input", "2025-09-10"); // before anything stood
  await page.evaluate(() => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(".markers, .legend-box, .scene-bar, .swipe { visibility: hidden !important }");
    document.adoptedStyleSheets = [sheet];
  });
  const line = (share) =>
    page.evaluate((at) => {
      const range = document.querySelector(".swipe-range");
      range.value = String(at);
      range.dispatchEvent(new Event("input", { bubbles: true }));
    }, share);
  await line(0.98);
  const before = await drawn(page);
  await line(0.02);
  const after = await drawn(page, before);
  expect(before.hash !== after.hash, "the line parts two pictures", [before, after]);
  await picture(page, "swipe");
}

const VIEWS = { map: ["/map", ".house-label"], flights: ["/flights", ".flights-body"], scans: ["/scans", ".flights-body"] };

const everywhere = (language, theme, size, names) => async ({ open }) => {
  for (const name of names) {
    const [path, there] = VIEWS[name];
    const page = await open(path, { language, theme, size });
    await page.waitForSelector(there);
    if (name === "flights") {
      const id = await flown(page);
      await page.goto(new URL(`/flights/${id}`, page.url()).href);
      await page.waitForSelector(".flight-panel[data-id] .facts-list");
    }
    await page.waitForLoadState("networkidle");
    await picture(page, `${name}-${language}-${theme}-${size.width}`);
    const where = `${name} ${language} ${theme} ${size.width}`;
    const wide = await page.evaluate(() => [document.documentElement, document.querySelector("main")].map((e) => e.scrollWidth - e.clientWidth));
    expect(wide.every((pixels) => pixels <= 0), `${where}: nothing scrolls sideways`, wide);
    const serious = await axeFindings(page);
    expect(!serious.length, `${where}: axe finds nothing serious`, serious);
    if (size.width < 500) {
      const small = await smallTargets(page);
      expect(!small.length, `${where}: a finger can hit every control`, small);
    }
    await page.context().close();
  }
};

export const flights_look_right_en_light_wide = everywhere("en", "light", WIDE, ["map", "flights", "scans"]);
export const flights_look_right_zh_dark_phone = everywhere("zh-TW", "dark", PHONE, ["map", "flights", "scans"]);
