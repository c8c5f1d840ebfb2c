// The parts of the page that show the park over time and space, each on a living campus: time, 3D, plans, trends, the board.
// Against `aid4 run` with faults, scans, photos and map tiles (tests/web/campus_parts.py); pictures go where PICTURES says.
import { readFileSync } from "node:fs";
import { drawn, expect, inkOf, picture, textWhen } from "./browser.mjs";

const SMALL = { width: 1160, height: 720 };
const WAIT_MS = 240_000; // for what the twin works out in a child of a busy machine
const number = (text) => Number(text.replace(/[^\d.-]/g, ""));
const api = async (page, path) => page.evaluate(async (asked) => (await fetch(`/api/v1${asked}`)).json(), path);
const at = (page) => Date.parse(new URL(page.url()).searchParams.get("at"));

/** Ask the twin until it answers as wanted. */
async function until(page, path, wanted) {
  for (const end = Date.now() + WAIT_MS; Date.now() < end; ) {
    const found = wanted(await api(page, path));
    if (found) return found;
    await page.waitForTimeout(1_000);
  }
  throw new Error(`${path} never answered as wanted`);
}

/** A picture with what a drone's photo says: EXIF with its lens, XMP with its pose (60 m up, straight down). */
function droneJpeg(jpeg, latitude, longitude, moment) {
  const xmp = { GpsLatitude: latitude.toFixed(8), GpsLongitude: longitude.toFixed(8), AbsoluteAltitude: "336.5", RelativeAltitude: "+60.0", GimbalYawDegree: "0.0", GimbalPitchDegree: "-90.0", GimbalRollDegree: "0.0", RtkFlag: "50", RtkStdLat: "0.01", RtkStdLon: "0.01", RtkStdHgt: "0.02", UTCAtExposure: moment.toISOString() };
  const attributes = Object.entries(xmp).map(([name, value]) => `drone-dji:${name}="${value}"`).join(" ");
  const packet = `<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description xmlns:drone-dji="http://www.dji.com/drone-dji/1.0/" ${attributes}/></rdf:RDF></x:xmpmeta>`;
  const exif = Buffer.from("457869660000" + "49492a0008000000" + "0100" + "6987" + "0400" + "01000000" + "1a000000" + "00000000" + "0100" + "05a4" + "0300" + "01000000" + "18000000" + "00000000", "hex");
  const segment = (content) => Buffer.concat([Buffer.from([0xff, 0xe1, (content.length + 2) >> 8, (content.length + 2) & 255]), content]);
  return Buffer.concat([jpeg.subarray(0, 2), segment(exif), segment(Buffer.from(`http://ns.adobe.com/xap/1.0/\0${packet}`)), jpeg.subarray(2)]);
}

/** Two photos of the campus from above, dropped in as a person does; the flight that they make. */
async function photographed(page) {
  await page.goto(new URL("/map", page.url()).href);
  await page.waitForSelector(".sheet svg");
  const jpeg = await page.screenshot({ type: "jpeg", quality: 70 });
  const files = [0, 1].map((i) => ({ name: `down-${i}.jpg`, mimeType: "image/jpeg", buffer: droneJpeg(jpeg, 48.96393, 18.1686 + i * 6e-4, new Date(Date.now() - 1_800_000 + i * 60_000)) }));
  await page.goto(new URL("/flights", page.url()).href);
  await page.setInputFiles(".drop-zone input[type=file]", files);
  return until(page, "/flights", ({ items }) => items.find((one) => one.photos > 0));
}

async function modelOpen(open, path, size = SMALL) {
  const page = await open(path, { size, still: true });
  await page.waitForSelector(".stage[data-phase=open]");
  return page;
}

export async function part_1_one_time_control({ open }) {
  const page = await open("/alarms", { size: SMALL });
  await page.selectOption(".span", "3600");
  await page.waitForSelector(".mark[data-kind=alarm]");
  await page.waitForSelector(".mark[data-kind=flight]");
  await page.keyboard.press("ArrowLeft");
  await page.waitForSelector(".app[data-mode=paused]");
  await textWhen(page, ".banner[data-kind=history]", (text) => text.includes("Not live"));
  const frame = await page.evaluate(() => getComputedStyle(document.querySelector(".app"), "::after").borderTopWidth);
  expect(frame === "4px", "a frame says that this is not live", frame);
  await page.waitForURL((url) => url.searchParams.has("at"));
  const first = at(page);
  await page.keyboard.press("ArrowLeft");
  await page.waitForFunction((then) => Date.parse(new URL(location.href).searchParams.get("at")) < then, first);
  const speeds = await page.locator(".speed option").evaluateAll((all) => all.map((one) => Number(one.value)));
  expect(speeds.includes(1) && speeds.includes(600), "one to six hundred times", speeds);
  await page.selectOption(".speed", "600");
  await page.click("[aria-label='Repeat']");
  await page.locator(".track input[type=range]").fill("990");
  await page.keyboard.press("Escape");
  await page.locator("main").focus();
  const late = await page.locator(".track input[type=range]").inputValue();
  await page.keyboard.press("Space");
  await page.waitForSelector(".app[data-mode=playing]");
  await page.waitForFunction((then) => Number(document.querySelector(".track input[type=range]").value) < Number(then) - 200, late);
  await page.keyboard.press("Space");
  await page.waitForSelector(".app[data-mode=paused]");
  await page.click("[aria-label='Repeat']");
  await page.selectOption(".span", "plan");
  await page.waitForSelector(".mark[data-kind=milestone]");
  await picture(page, "screenshot-time");
  await page.locator(".track input[type=range]").fill("999");
  await textWhen(page, ".banner[data-kind=future]", (text) => text.includes("Ahead of now"));
  await page.keyboard.press("l");
  await page.waitForSelector(".app[data-mode=live]");
}

export async function part_2_the_park_in_3d({ open }) {
  const page = await modelOpen(open, "/model");
  const colours = await page.locator("[aria-label='Colours']").locator("option").evaluateAll((all) => all.map((one) => one.value));
  const scan = await until(page, "/scans", ({ items }) => items.find((one) => one.accepted));
  for (const shade of ["value", "condition", "plan"]) {
    await page.selectOption("[aria-label='Colours']", shade);
    await textWhen(page, ".legend-box", (text) => /\d/.test(text));
  }
  expect(["material", "value", "condition", "plan"].every((one) => colours.includes(one)), "colours by what", colours);
  const storeys = page.locator(".scene-bar select").first();
  await storeys.selectOption({ index: 2 });
  await page.click("[aria-label='Section plane']");
  await page.locator(".section-control input").fill("0.4");
  await page.click(".section-control [aria-label=Close]");
  await storeys.selectOption("");
  await page.locator(".marker").first().dispatchEvent("click");
  await page.waitForSelector(".element-panel h2");

  await page.goto(new URL(`/model?colour=verdict&scan=${scan.id}`, page.url()).href);
  await page.waitForSelector(".stage[data-phase=open]");
  await textWhen(page, ".legend-box", (text) => /Built/.test(text));
  await page.click(".cloud-note"); // hidden at first, where it would cover what was judged
  await page.waitForFunction(() => Number(document.querySelector(".cloud-note")?.dataset.points) > 1_000);
  await page.click(".cloud-note");

  const flight = await photographed(page);
  await page.goto(new URL(`/model?flight=${flight.id}&from=${flight.start}&to=${flight.end}&at=${flight.start}`, page.url()).href);
  await page.waitForSelector(".stage[data-phase=open]");
  await page.locator(".photo-pin").first().waitFor({ state: "attached" });
  await picture(page, "screenshot-3d");
  await page.locator(".photo-pin").first().dispatchEvent("click");
  const shown = page.locator("dialog .photo-large img");
  await shown.waitFor();
  expect(await shown.evaluate(async (image) => (await image.decode(), image.naturalWidth)), "the photo itself is there");
  await page.context().close();
  const live = await open("/model", { size: { width: 480, height: 360 } });
  await live.locator(".drone-flag").first().waitFor({ state: "attached", timeout: WAIT_MS });
}

export async function part_3_plans_and_the_map({ open }) {
  const page = await open("/plan?colour=value&class=temperature", { size: SMALL });
  await textWhen(page, ".room-label:not([hidden])", (text) => /\d.*°C/.test(text));
  await textWhen(page, ".scale-legend", (text) => text.includes("°C"));
  await picture(page, "screenshot-rooms");
  await page.click(".segments a:has-text('Site map')");
  await page.waitForSelector(".basemap[data-drawn]");
  await textWhen(page, ".basemap-credit", (text) => text.includes("Tiles of a test"));
  const hue = () =>
    page.locator(".basemap canvas").evaluate(async (canvas) => {
      const url = await new Promise((done) => requestAnimationFrame(() => done(canvas.toDataURL())));
      return url.length;
    });
  expect((await hue()) > 100, "the map's own canvas is there");
  const { hash } = await inkOf(page, ".sheet-area");
  const told = [];
  page.on("request", (request) => /pmtiles/.test(request.url()) && told.push(request.headers()["range"]));
  await page.locator(".sheet").focus();
  for (let i = 0; i < 3; i++) await page.keyboard.press("-");
  await page.waitForFunction(() => Number.parseFloat(document.querySelector(".scale-bar").textContent) >= 50);
  expect((await inkOf(page, ".sheet-area")).hash !== hash, "the map moves with the drawing", told);
  expect((await page.locator(".house-label").count()) >= 4, "houses stand on it");
  expect(told.every((range) => /^bytes=/.test(range ?? "")), "tiles are read by ranges of the site's own file", told);
  await picture(page, "screenshot-map");
}

export async function part_5_trends({ open }) {
  const page = await open("/trends", { size: SMALL });
  const { items } = await api(page, "/points?q=weather&limit=2000");
  const outdoor = items.find((one) => one.point_class === "temperature");
  const { time } = await until(page, "/site", (site) => Date.parse(site.time.first) < Date.now() - 40 * 3_600_000 && site);
  const [from, to] = [new Date(Date.parse(time.now) - 6 * 3_600_000).toISOString(), time.now];
  await page.goto(new URL(`/trends?points=${outdoor.id}&from=${from}&to=${to}&at=${to}&compare=day`, page.url()).href);
  await page.waitForSelector(".plot .u-over");
  await textWhen(page, ".legend-past", (text) => /\d/.test(text));
  await picture(page, "screenshot-trends");
  const over = await page.locator(".plot .u-over").first().boundingBox();
  await page.mouse.move(over.x + over.width * 0.4, over.y + 60);
  await page.mouse.down();
  await page.mouse.move(over.x + over.width * 0.6, over.y + 60, { steps: 5 });
  await page.mouse.up();
  const span = () => page.evaluate(() => ["from", "to"].map((name) => Date.parse(new URL(location.href).searchParams.get(name))));
  await page.waitForFunction((whole) => {
    const [a, b] = ["from", "to"].map((name) => Date.parse(new URL(location.href).searchParams.get(name)));
    return b - a < whole / 3;
  }, Date.parse(to) - Date.parse(from));
  expect((await span())[1] > (await span())[0], "the brush becomes the range");
  await page.keyboard.press("-");
  for (const [kind, good] of [["CSV", (bytes) => /gw-\d\//.test(bytes.toString())], ["Parquet", (bytes) => bytes.subarray(0, 4).toString() === "PAR1"], ["PNG", (bytes) => bytes.readUInt32BE(16) > 500]]) {
    const asked = page.waitForEvent("download");
    await page.click(`.export button:has-text('${kind}')`);
    expect(good(readFileSync(await (await asked).path())), `${kind} to take along`);
  }
  const compare = await page.locator(".compare option").evaluateAll((all) => all.map((one) => one.value));
  expect(["day", "week", "plan"].every((one) => compare.includes(one)), "with yesterday, last week, the plan", compare);
}

/** Leave only the picture, and the line of the swipe. */
const bare = (page) =>
  page.evaluate(() => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(".markers, .drone-flag, .cloud-note, .legend-box, .scene-bar, .swipe { visibility: hidden !important }");
    document.adoptedStyleSheets = [sheet];
    return sheet.cssRules.length;
  });

/** Move the line between the halves. */
const swipedTo = (page, share) =>
  page.evaluate((to) => {
    const range = document.querySelector(".swipe-range");
    range.value = String(to);
    range.dispatchEvent(new Event("input", { bubbles: true }));
  }, share);

/** What is seen of the left one alone, then of the right one. */
async function swiped(page) {
  await swipedTo(page, 0.98);
  const left = await drawn(page);
  await swipedTo(page, 0.02);
  return [left, await drawn(page, left)];
}

export async function part_7_the_board_and_what_was_built({ open }) {
  const page = await open("/schedule", { size: SMALL, still: true });
  await page.waitForSelector(".gantt-row");
  await textWhen(page, ".plan-counts", (text) => /%/.test(text));
  await textWhen(page, ".late-list", (text) => /\d/.test(text));
  expect((await page.locator(".s-curve .plot canvas").count()) > 0, "the S-curve is drawn");
  await page.click(".gantt-tools button:has-text('Critical')");
  await page.waitForFunction(() => document.querySelectorAll(".gantt-row").length > 0);
  await page.click(".gantt-tools button:has-text('All')");
  await picture(page, "screenshot-board");
  const two = await until(page, "/scans", ({ items }) => items.filter((one) => one.accepted).length >= 2 && items.filter((one) => one.accepted));
  await page.setViewportSize({ width: 1120, height: 640 }); // software draws each pixel twice
  await page.goto(new URL(`/model?colour=verdict&scan=${two[0].id}`, page.url()).href);
  await page.waitForSelector(".stage[data-phase=open]");
  await page.click("[aria-label='Compare side by side']");
  for (const side of ["left", "right"]) {
    const select = page.locator(`.swipe-side[data-side=${side}] select`);
    await select.selectOption(side === "left" ? two[1].id : two[0].id);
  }
  await page.waitForLoadState("networkidle");
  await bare(page);
  const [left, right] = await swiped(page);
  expect(left.hash !== right.hash, "two scans are two pictures", [left, right]);
  await swipedTo(page, 0.5);
  await drawn(page, right);
  await page.evaluate(() => (document.adoptedStyleSheets = []));
  await picture(page, "screenshot-swipe.jpg");
}
