// What a person can rely on, each checked in a real browser against a real twin (tests/web/lab_twin.py).
import { createInterface } from "node:readline/promises";
import { readFileSync } from "node:fs";
import { axeFindings, expect, PATIENCE_MS, PHONE, picture, smallTargets, textWhen, WIDE } from "./browser.mjs";

const number = (text) => Number(text.replace(/[^\d.-]/g, ""));
const hourAgo = (hours) => new Date(Date.now() - hours * 3_600_000).toISOString();
const placed = "/place/room-101-guid";
const trends = "/trends?points=1,4,13";
const history = () => `from=${hourAgo(1)}&to=${hourAgo(0)}&at=${hourAgo(0.25)}`;

export async function overview_names_what_is_abnormal_worst_first({ open }) {
  const page = await open("/");
  await textWhen(page, ".findings tbody tr:nth-child(1)", (text) => text.includes("Above limit") && text.includes("room-103"));
  const ago = await textWhen(page, ".findings tbody tr:nth-child(1) td[data-label=Since]", (text) => /\d\d:\d\d/.test(text));
  expect(/\w+ \d+/.test(ago), "since when it is so", ago);
  const conditions = await page.locator(".findings .condition").allTextContents();
  expect(
    JSON.stringify(conditions) === JSON.stringify(["Above limit", "Bad quality", "No reading", "Not bound"]),
    "the planted faults are listed, worst first",
    conditions,
  );
  expect((await page.locator(".park").count()) === 0, "no headline of the park where no point speaks for it");
  const hot = await page.locator(".card", { hasText: "Server room" }).textContent();
  expect(/°C/.test(hot) && /ppm/.test(hot) && /Above limit/.test(hot), "a place shows its values and its worst condition in words", hot);
  const marked = page.locator(".card", { hasText: "Server room" }).locator(".headline[data-condition=high] svg");
  expect((await marked.count()) === 1, "and marks the value itself with a shape");
  await page.click(".counter[data-condition=bad]");
  await textWhen(page, ".findings tbody", (text) => text.includes("Bad quality") && !text.includes("Above limit"));
  await picture(page, "overview");
}

export async function live_values_arrive_by_themselves({ open }) {
  const page = await open(placed);
  const first = number(await textWhen(page, ".tile .number", (text) => number(text) > 0));
  await textWhen(page, ".tile .number", (text) => number(text) !== first);
  const row = await textWhen(page, ".tree-row .row-value .num", (text) => number(text) > 0);
  expect(number(row) > 10, "the tree shows live values too", row);
  const state = await page.locator(".tile", { hasText: "Mode" }).locator(".number").textContent();
  expect(["heating", "idle", "cooling"].includes(state), "a text point shows its text", state);
}

export async function a_faceplate_says_how_each_point_was_found({ open }) {
  const page = await open(placed);
  const row = await textWhen(page, ".panel tbody tr", (text) => text.includes("Temperature"));
  expect(/Site configuration|Model|Rule|Nearest/.test(row) && /\d+%/.test(row), "binding, with its certainty", row);
  await textWhen(page, ".facts-list", (text) => text.includes("room-101-guid"));
  await page.waitForSelector("text=A-101");
  await picture(page, "place");
}

export async function only_what_is_shown_is_subscribed({ base, open }) {
  const page = await open("/nodes");
  const sent = [];
  page.on("websocket", (socket) => socket.on("framesent", ({ payload }) => sent.push(JSON.parse(payload))));
  await page.goto(`${base}/device/gw/crane`);
  await textWhen(page, ".tile .number", (text) => number(text) > 0);
  const rows = await page.locator(".tree-row .row-value").count();
  const few = () => {
    const last = sent.filter((frame) => frame.type === "subscribe").at(-1);
    return Array.isArray(last?.points) && last.points.length <= rows + 1;
  };
  for (const end = Date.now() + PATIENCE_MS; !few(); await page.waitForTimeout(50)) expect(Date.now() < end, "no more points than rows and tiles", [sent, rows]);
  expect(sent.some((frame) => frame.type === "credit"), "frames are paid for with credits");
}

export async function history_is_framed_and_shows_that_instant({ open }) {
  const page = await open(`${placed}?${history()}`);
  await textWhen(page, ".banner[data-kind=history]", (text) => text.includes("Not live: showing") && text.includes("UTC+01:00"));
  const frame = await page.evaluate(() => getComputedStyle(document.querySelector(".app"), "::after").borderTopWidth);
  expect(frame === "4px", "a frame says from afar that this is not live", frame);
  await textWhen(page, ".tile .number", (text) => number(text) > 0);
  const numbers = () => page.locator(".tile .number").allTextContents();
  const shown = (await numbers()).join();
  await page.waitForTimeout(1_500);
  expect((await numbers()).join() === shown, "the past does not move");
  await page.keyboard.press("ArrowLeft");
  await page.waitForFunction((then) => [...document.querySelectorAll(".tile .number")].map((e) => e.textContent).join() !== then, shown);
  await picture(page, "history");
  await page.keyboard.press("g");
  await page.keyboard.press("o");
  const card = page.locator(".card .card-values").first();
  const then = await card.textContent();
  await page.waitForTimeout(1_200);
  expect(/\d/.test(then) && then === (await card.textContent()), "the overview shows that instant too", then);
  await page.goBack();
  await page.keyboard.press("l");
  await page.waitForSelector(".app[data-mode=live]");
  await textWhen(page, ".tile .age", (text) => text.includes("now") || text.includes("ago"));
}

export async function the_address_holds_the_time_and_playing_moves_it({ open }) {
  const page = await open(`${placed}?${history()}`);
  await page.selectOption(".speed", "600");
  const before = await page.locator(".instant").textContent();
  await page.keyboard.press("Space");
  await page.waitForSelector(".app[data-mode=playing]");
  await textWhen(page, ".instant", (text) => text !== before);
  await page.keyboard.press("Space");
  await page.waitForSelector(".app[data-mode=paused]");
  const address = () => new URL(page.url()).searchParams.get("at");
  let at = null; // once two looks agree: the address follows the instant a moment later
  for (let now = address(); now === null || now !== at; now = address()) {
    at = now;
    await page.waitForTimeout(1_000);
  }
  const text = await page.locator(".instant").textContent();
  await page.reload();
  await page.waitForSelector(".banner[data-kind=history]");
  expect(new URL(page.url()).searchParams.get("at") === at, "a reload keeps the instant");
  await textWhen(page, ".instant", (shown) => shown === text); // in the site's time, once the twin has named it
}

export async function charts_keep_gaps_share_a_cursor_and_zoom({ open }) {
  const page = await open(`${trends}&from=${hourAgo(2)}&to=${hourAgo(0)}&at=${hourAgo(0)}`);
  await page.waitForSelector(".plot .u-over");
  let columns = null; // ten minutes without readings are left open
  for (const end = Date.now() + PATIENCE_MS; !(columns?.longestGap > 0.05 && columns.longestGap < 0.2); await page.waitForTimeout(100)) {
    expect(Date.now() < end, "a gap in the readings is a gap in the line", columns);
    columns = await page.locator(".plot canvas").first().evaluate(inkByColumn);
  }
  const over = await page.locator(".plot .u-over").first().boundingBox();
  await page.mouse.move(over.x + over.width * 0.8, over.y + 60);
  await textWhen(page, ".legend output", (text) => number(text) > 10);
  const times = await page.locator(".chart .legend-time").allTextContents();
  expect(times.filter((time) => /\d\d:\d\d/.test(time)).length === times.length, "every chart shows its value at the cursor", times);
  const strip = await page.locator(".chart", { hasText: "State" }).locator("output").textContent();
  expect(["heating", "idle", "cooling"].includes(strip), "the text point is a strip with its state", strip);
  await picture(page, "trends");
  await page.mouse.move(over.x + over.width * 0.7, over.y + 60);
  await page.mouse.down();
  await page.mouse.move(over.x + over.width * 0.72, over.y + 60, { steps: 4 });
  await page.mouse.up();
  await page.mouse.move(5, 5);
  const span = ({ searchParams }) => Date.parse(searchParams.get("to")) - Date.parse(searchParams.get("from"));
  await page.waitForURL((url) => span(url) > 60_000 && span(url) < 400_000); // the brush becomes the range
  await page.keyboard.press("-");
  await page.waitForURL((url) => span(url) > 7_000_000); // zooming out goes back
}

function inkByColumn(canvas) {
  const { width, height } = canvas;
  const colour = getComputedStyle(document.documentElement).getPropertyValue("--series-1").trim();
  const [r, g, b] = [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));
  const data = canvas.getContext("2d").getImageData(0, 0, width, height).data;
  const inked = [];
  for (let x = 0; x < width; x++) {
    let found = false;
    for (let y = 0; y < height && !found; y++) {
      const i = (y * width + x) * 4;
      found = data[i + 3] > 100 && Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b) < 60;
    }
    inked.push(found);
  }
  const [first, last] = [inked.indexOf(true), inked.lastIndexOf(true)];
  let longest = 0;
  for (let x = first, run = 0; x <= last; x++) {
    run = inked[x] ? 0 : run + 1;
    longest = Math.max(longest, run);
  }
  return { drawn: inked.filter(Boolean).length / width, longestGap: longest / (last - first) };
}

export async function charts_are_compared_with_the_day_before_and_mark_alarms({ open }) {
  const page = await open("/trends?points=1,7&compare=day");
  const past = number(await textWhen(page, ".chart:first-child .legend-past", (text) => /\d/.test(text)));
  const now = number(await textWhen(page, ".chart:first-child .legend output", (text) => /\d/.test(text)));
  const day = await page.evaluate(async () => {
    const at = (ms) => new Date(ms).toISOString();
    const then = Date.now() - 86_400_000;
    return (await (await fetch(`/api/v1/history?point=1&from=${at(then - 600_000)}&to=${at(then)}&width=600`)).json()).series[0].v.at(-1);
  });
  expect(Math.abs(past - day) < 1.5, "beside the value stands the one of a day before", [past, day, now]);
  await textWhen(page, ".legend-alarm", (text) => /\d alarm/.test(text));
  await page.waitForSelector(".track-marks .mark[data-kind=alarm]");
  const asked = page.waitForEvent("download");
  await page.click(".export button:has-text('Parquet')");
  const file = readFileSync(await (await asked).path());
  expect(file.subarray(0, 4).toString() === "PAR1" && file.subarray(-4).toString() === "PAR1", "the readings as a Parquet file", file.length);
  await picture(page, "trends-compared");
  await page.selectOption(".compare select", "none");
  await page.waitForSelector(".legend-past", { state: "detached" });
  await page.waitForFunction(() => !location.search.includes("compare"));
}

export async function the_time_line_leads_to_what_happened({ open }) {
  const page = await open("/");
  const mark = page.locator(".mark[data-kind=alarm]").first();
  await mark.waitFor();
  expect(/alarm.* raised/.test(await mark.getAttribute("title")), "a mark names what it marks", await mark.getAttribute("title"));
  await page.keyboard.press("[");
  await page.waitForSelector(".app[data-mode=paused]");
  await mark.waitFor();
  await page.keyboard.press("l");
  await page.waitForSelector(".app[data-mode=live]");
}

export async function points_are_added_to_and_removed_from_trends({ open }) {
  const page = await open("/trends");
  await page.click(".combo input");
  await page.keyboard.type("load crane");
  await page.keyboard.press("Enter");
  await textWhen(page, ".legend", (text) => text.includes("Load"));
  expect(new URL(page.url()).pathname === "/trends", "one address for the view");
  await page.waitForURL((url) => url.searchParams.get("points") === "14"); // the address names the points
  await page.click(".legend .icon-button");
  await page.waitForSelector(".notice");
}

export async function everything_works_by_keyboard({ open }) {
  const page = await open("/");
  await page.keyboard.press("?");
  await page.waitForSelector("dialog[open] .shortcuts");
  await picture(page, "help");
  await page.keyboard.press("Escape");
  await page.waitForSelector("dialog", { state: "detached" });
  await page.keyboard.press("/");
  await page.keyboard.type("server room");
  await textWhen(page, ".tree-row", (text) => text.includes("Server room"));
  await page.keyboard.press("Enter");
  await textWhen(page, "h1", (text) => text === "Server room");
  await page.keyboard.press("Escape");
  await page.locator(".tree").focus();
  await page.keyboard.press("Home");
  await page.keyboard.press("ArrowLeft");
  await page.waitForFunction(() => document.querySelectorAll(".tree-row").length === 1);
  await page.keyboard.press("ArrowRight");
  await page.waitForFunction(() => document.querySelectorAll(".tree-row").length > 1);
  await page.locator("main").focus();
  for (const [key, title] of [["t", "Trends"], ["n", "Nodes"], ["o", "Overview"]]) {
    await page.keyboard.press("g");
    await page.keyboard.press(key);
    await textWhen(page, "h1", (text) => text === title);
  }
  await page.waitForSelector("a.row-link");
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  const row = await page.evaluate(() => document.activeElement.closest("tr")?.rowIndex);
  expect(row === 2, "j walks down the rows", row);
  await page.keyboard.press("Enter");
  await textWhen(page, "h1", (text) => text === "CO₂");
}

export async function the_site_clock_counts_until_the_browser_s_is_asked_for({ open }) {
  const page = await open("/");
  await textWhen(page, ".clock", (text) => text.includes("Site") && text.includes("UTC+01:00"));
  await page.click(".top-bar .icon-button >> nth=0");
  await page.click("input[name=zone] >> nth=1");
  await page.keyboard.press("Escape");
  await textWhen(page, ".clock", (text) => text.includes("Browser") && text.includes("UTC+08:00"));
}

export async function a_wrong_address_says_what_to_do({ open }) {
  const page = await open("/place/no-such-guid", { allowed: /404/ });
  await textWhen(page, ".notice[role=alert]", (text) => text.includes("What to do"));
}

export async function a_cut_socket_is_said_and_mended({ open }) {
  const page = await open(placed, { allowed: /WebSocket|ERR_CONNECTION|Failed to load/ });
  await textWhen(page, ".tile .number", (text) => number(text) > 0);
  const host = createInterface({ input: process.stdin });
  console.log("cut");
  await textWhen(page, ".banner[data-kind=lost]", (text) => text.includes("Connection to the twin lost"));
  const opacity = await page.evaluate(() => Number(getComputedStyle(document.querySelector("main")).opacity));
  expect(opacity < 0.7, "the page greys", opacity);
  await textWhen(page, ".banner[data-kind=lost]", (text) => /lost ([2-9]|\d\d) s ago/.test(text));
  await picture(page, "lost");
  console.log("start");
  await host.question("");
  await page.waitForSelector(".banner[data-kind=lost]", { state: "detached" });
  const first = await page.locator(".tile .number").first().textContent();
  await textWhen(page, ".tile .number", (text) => text !== first);
  host.close();
}

export async function a_whole_park_is_seen_live({ base, open }) {
  const page = await open("/");
  await page.waitForSelector(".connection[data-phase=open]");
  await textWhen(page, ".facts", (text) => number(/(\d+) points/.exec(text)?.[1] ?? "0") > 50);
  const figure = await textWhen(page, ".park .figure:first-child .number", (text) => number(text) > 0);
  const figures = await page.locator(".park .figure-name").allTextContents();
  expect(figures.join() === "Power drawn,Solar power,Outdoors,People inside", "the park in one line", figures);
  await textWhen(page, ".park .figure:first-child .number", (text) => text !== figure);
  await page.waitForSelector(".board h2"); // the model comes live while the page is open
  const storeys = await page.locator(".board h2").allTextContents();
  const lab = storeys.filter((name) => name.startsWith("A")).join();
  expect(lab === "A2 Second floor,A1 First floor,A0 Ground floor", "storeys stand as in a section, the highest first", storeys);
  const room = await textWhen(page, ".card:has-text('Laboratory') .card-values", (text) => /°C.*ppm.*kW/.test(text));
  await textWhen(page, ".card:has-text('Laboratory') .card-values", (text) => text !== room);
  await page.goto(`${base}/trends`);
  await page.click(".proposals button >> nth=0");
  await page.waitForSelector(".plot .u-over");
  const asked = page.waitForEvent("download");
  await page.click(".export button:has-text('CSV')");
  const lines = readFileSync(await (await asked).path(), "utf8").trim().split("\r\n");
  expect(lines[0].endsWith("time,point,value,unit,quality") && lines.length > 10 && /Z,gw-1\//.test(lines[1]), "the readings to take along", lines.slice(0, 3));
  const drawn = page.waitForEvent("download");
  await page.click(".export button:has-text('PNG')");
  const png = readFileSync(await (await drawn).path());
  expect(png.readUInt32BE(16) > 600 && png.readUInt32BE(20) > 200, "the charts as a picture", png.length);
  await a_setpoint_is_commanded(page, base);
  await page.goto(base);
  await page.locator(".card").first().click();
  const first = await textWhen(page, ".tiles", (text) => /\d/.test(text));
  await textWhen(page, ".tiles", (text) => text !== first);
  await page.keyboard.press("g");
  await page.keyboard.press("n");
  await textWhen(page, ".node", (text) => text.includes("Online") && text.includes("running"));
  await picture(page, "park-nodes");
}

/** What a newcomer does: three keys or clicks each, no manual. */
export async function an_alarm_is_found_understood_and_answered({ open }) {
  const page = await open("/");
  await textWhen(page, ".top-views .view-alarms .count", (text) => number(text) >= 1);
  expect((await page.title()).startsWith("("), "the tab calls, too", await page.title());
  await page.keyboard.press("a");
  const hot = "tr[data-alarm='point:gw/room-103/temperature:high']";
  const row = await textWhen(page, hot, (text) => text.includes("High") && text.includes("limit 27"));
  expect(/°C/.test(row) && row.includes("Not acknowledged"), "value, limit, unit and state", row);
  await page.click(`${hot} .alarm-name`);
  const meaning = await textWhen(page, ".alarm-detail", (text) => text.includes("What to do"));
  expect(meaning.includes("Raised"), "what happened to it", meaning);
  await picture(page, "alarm");
  await page.click(".alarm-detail button:has-text('Acknowledge')");
  await textWhen(page, `${hot}`, (text) => !text.includes("Not acknowledged"));
  await page.click(".alarm-detail button:has-text('Shelve')");
  await page.fill("dialog .alarm-reason input", "filter is being changed");
  await page.keyboard.press("Enter");
  await page.waitForSelector(hot, { state: "detached" });
  await page.click(".chip[data-state=shelved]");
  await textWhen(page, hot, (text) => text.includes("Shelved") && text.includes("filter is being changed"));
  await textWhen(page, ".alarm-journal", (text) => text.includes("Acknowledged") && text.includes("Shelved"));
  await page.click(".alarm-detail button:has-text('Let it ring again')");
  await textWhen(page, hot, (text) => text.includes("Acknowledged"));
  await page.click(".alarm-detail button:has-text('Trend at that moment')");
  await textWhen(page, ".legend", (text) => text.includes("emperature"));
  await page.waitForURL((url) => url.searchParams.has("from") && url.searchParams.has("points")); // that moment, not now
}

/** Choose, confirm, sent to a device that speaks its real protocol, and its answer. */
async function a_setpoint_is_commanded(page, base) {
  await page.goto(`${base}/device/gw-1/room-lobby`);
  await page.click(".tile a:has-text('setpoint')");
  await page.fill(".command input", "21.5");
  await page.click(".command button[type=submit]");
  const question = await textWhen(page, ".command [role=alertdialog]", (text) => text.includes("21.5"));
  expect(/Set .* to 21\.50? °C\?/.test(question), "what will happen is asked first", question);
  await picture(page, "command");
  await page.keyboard.press("Enter");
  const row = await textWhen(page, ".command tbody tr", (text) => text.includes("Done"));
  expect(row.includes("local") && row.includes("21.5"), "who, what, result", row);
  await textWhen(page, ".tile .number", (text) => number(text) === 21.5);
}

const VIEWS = [
  ["overview", "/"],
  ["place", placed],
  ["device", "/device/gw/room-101"],
  ["point", "/point/7"],
  ["trends", trends],
  ["history", `${placed}?${history()}`],
  ["nodes", "/nodes"],
  ["browse", "/browse"],
  ["alarms", "/alarms"],
];
const everywhere = (language, theme, size) => async ({ open }) => {
  for (const [name, path] of VIEWS) {
    const page = await open(path, { language, theme, size });
    await page.waitForSelector(".findings tbody tr, .tile .number, .legend, .notice, .alarm-name, .tree-row:visible");
    await page.waitForTimeout(500);
    await picture(page, `${name}-${language}-${theme}-${size.width}`);
    const where = `${name} ${language} ${theme} ${size.width}`;
    const wide = await page.evaluate(() => [document.documentElement, document.querySelector("main")].map((e) => e.scrollWidth - e.clientWidth));
    expect(wide.every((pixels) => pixels <= 0), `${where}: nothing scrolls sideways`, wide);
    const raw = await page.evaluate(() => /\b(condition|time|view|column|age|count|alarm)\.[a-z]\w+/.exec(document.body.innerText)?.[0]);
    expect(!raw, `${where}: no text without a translation`, raw);
    expect((await page.evaluate(() => document.documentElement.lang)) === language, `${where}: the document says its language`);
    const serious = await axeFindings(page);
    expect(!serious.length, `${where}: axe finds nothing serious`, serious);
    if (size.width < 500) {
      const small = await smallTargets(page);
      expect(!small.length, `${where}: a finger can hit every control`, small);
    }
    await page.context().close();
  }
};

export const looks_right_en_light_wide = everywhere("en", "light", WIDE);
export const looks_right_zh_dark_wide = everywhere("zh-TW", "dark", WIDE);
export const looks_right_sk_light_phone = everywhere("sk", "light", PHONE);
export const looks_right_en_dark_phone = everywhere("en", "dark", PHONE);
