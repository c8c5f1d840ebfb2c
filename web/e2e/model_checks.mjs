// The park in 3D, as floor plans and as a plan over time: against an `aid4 run` of the campus.
import { axeFindings, drawn, expect, inkOf, launch, PHONE, picture, smallTargets, textWhen, WIDE } from "./browser.mjs";

/** Software draws the pixels: fewer of them where looks do not matter. */
const SMALL = { width: 960, height: 600 };
const number = (text) => Number(text.replace(/[^\d.-]/g, ""));
const api = async (page, path) => page.evaluate(async (asked) => (await fetch(`/api/v1${asked}`)).json(), path);

/** The 3D view with every tile there and one more frame drawn. */
async function opened(open, path = "/model") {
  const page = await open(path, { size: SMALL, still: true });
  await page.waitForSelector(".stage[data-phase=open]");
  await page.waitForTimeout(400);
  return page;
}

/** The picture without what lies over it. */
const bare = (page, over = ".markers, .legend-box, .scene-bar, .element-panel") =>
  page.evaluate((selector) => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(`${selector} { visibility: hidden !important }`);
    document.adoptedStyleSheets = [sheet];
  }, over);

const legend = async (page) =>
  Object.fromEntries(await page.locator(".legend-rows li").evaluateAll((rows) => rows.map((row) => [row.dataset.plan, Number(row.querySelector(".num").textContent.replace(/\D/g, ""))])));

export async function the_park_is_drawn_in_3d_and_says_its_values({ open }) {
  const page = await opened(open);
  const first = await textWhen(page, ".marker", (text) => /\d/.test(text));
  expect((await page.locator(".marker").count()) > 3, "several sensors are seen", first);
  await picture(page, "model");
  await bare(page);
  const { share } = await inkOf(page, ".stage");
  expect(share > 0.05, "elements cover part of the picture", share);
}

export async function an_element_is_picked_and_its_faceplate_is_live({ open }) {
  const page = await opened(open);
  await page.locator(".marker").first().waitFor();
  await page.locator(".marker").nth(1).dispatchEvent("click");
  await page.waitForSelector(".element-panel h2");
  const id = await page.locator(".element-panel").getAttribute("data-id");
  expect(new URL(page.url()).searchParams.get("element") === id, "the address names the element", page.url());
  const { items } = await api(page, "/points?limit=2000");
  const busy = items.find((one) => one.element && one.point_class === "power" && one.period_s <= 5);
  await page.goto(new URL(`/model?element=${encodeURIComponent(busy.element)}`, page.url()).href);
  await page.waitForSelector(".stage[data-phase=open]");
  const value = await textWhen(page, ".element-panel .value-number", (text) => /\d/.test(text));
  const before = await page.locator(".element-panel .value-rows").textContent();
  await page.waitForFunction((then) => document.querySelector(".element-panel .value-rows")?.textContent !== then, before);
  await picture(page, "model-element");
  // the same by pointer: what lies in the middle of the picture after flying there
  await page.keyboard.press("Escape");
  await page.waitForSelector(".element-panel", { state: "detached" });
  const box = await page.locator(".stage canvas").boundingBox();
  await page.mouse.click(box.x + box.width / 2, box.y + box.height / 2);
  await page.waitForSelector(".element-panel h2");
  const picked = await page.locator(".element-panel").getAttribute("data-id");
  const element = await api(page, `/elements/${encodeURIComponent(picked)}`);
  expect(element.id === picked && element.type.startsWith("Ifc"), "what was clicked is an element of the model", [value, picked]);
  await page.click(".element-panel .panel-links a");
  await textWhen(page, "h1", (text) => text.length > 0);
  expect(page.url().includes("/place/"), "its page is one click away", page.url());
}

export async function an_element_says_what_the_plan_says({ open }) {
  const page = await open("/schedule", { size: SMALL });
  const { items } = await api(page, "/elements?limit=5000");
  const planned = items.find((one) => one.plan?.tasks.length && one.type === "IfcWall") ?? items.find((one) => one.plan?.tasks.length);
  expect(planned, "the campus has planned elements");
  await page.goto(new URL(`/model?element=${encodeURIComponent(planned.id)}`, page.url()).href);
  const text = await textWhen(page, ".panel-plan", (one) => /Planned.*Actual.*Forecast/.test(one));
  expect(/\d{4} – /.test(text), "with dates", text);
  await page.click(".panel-plan .chip");
  await page.waitForSelector(".task-panel h2");
  expect(new URL(page.url()).searchParams.get("task") !== null, "and leads to the task");
}

export async function the_slider_walks_the_plan_without_asking_the_twin({ open }) {
  const page = await opened(open, "/model?colour=plan");
  await textWhen(page, ".legend-rows", (text) => /\d/.test(text));
  await page.selectOption(".span", "plan");
  await page.waitForTimeout(800);
  const now = await legend(page);
  const slider = page.locator(".track input[type=range]");
  await bare(page);
  const today = await drawn(page);
  await page.waitForLoadState("networkidle"); // the dates of all elements are there
  const asked = [];
  page.on("request", (request) => /elements|schedule|tiles/.test(request.url()) && asked.push(request.url()));
  await slider.fill("30");
  await page.waitForSelector(".banner[data-kind=history]");
  const past = await drawn(page, today);
  const early = await legend(page);
  await slider.fill("995");
  await textWhen(page, ".banner[data-kind=future]", (text) => text.includes("Ahead of now"));
  const future = await drawn(page, past);
  const late = await legend(page);
  expect(asked.length === 0, "moving through time asks nothing about the plan", asked);
  expect(early.ahead > now.ahead && now.finished > early.finished && late.finished > now.finished, "elements come to be", [early, now, late]);
  expect(past.hash !== today.hash && today.hash !== future.hash, "and the picture shows it", [past, today, future]);
  const frame = await page.evaluate(() => getComputedStyle(document.querySelector(".app"), "::after").borderTopColor);
  const colour = await page.evaluate(() => getComputedStyle(document.querySelector(".banner")).color);
  expect(frame === colour, "the frame has the colour of the future", [frame, colour]);
  await page.keyboard.press("l");
  await page.waitForSelector(".app[data-mode=live]");
}

export async function storeys_sections_and_measures_work({ open }) {
  const page = await opened(open);
  await bare(page, ".markers"); // their values change by themselves
  const whole = await drawn(page);
  const storeys = await page.locator(".scene-bar select").first().locator("option").evaluateAll((all) => all.map((one) => one.value));
  await page.locator(".scene-bar select").first().selectOption(storeys[1]);
  const one = await drawn(page, whole);
  expect(one.hash !== whole.hash, "one storey alone");
  expect(new URL(page.url()).searchParams.get("storey") === storeys[1], "the address keeps the storey");
  await page.locator(".scene-bar select").first().selectOption("");
  await page.click("[aria-label='Section plane']");
  await page.locator(".section-control input").fill("0.3");
  expect((await drawn(page, whole)).hash !== whole.hash, "a section cuts");
  await picture(page, "model-section");
  await page.click(".section-control [aria-label=Close]");
  await page.keyboard.press("m");
  const box = await page.locator(".stage canvas").boundingBox();
  await page.mouse.click(box.x + box.width * 0.5, box.y + box.height * 0.5);
  await textWhen(page, ".measure", (text) => text.includes("second"));
  await page.mouse.click(box.x + box.width * 0.55, box.y + box.height * 0.55);
  const length = number(await textWhen(page, ".measure strong", (text) => text.includes("m")));
  expect(length > 0.1 && length < 2_000, "a distance in metres", length);
}

export async function the_model_works_by_keyboard({ open }) {
  const page = await opened(open);
  await page.keyboard.press("3");
  await page.waitForSelector(".legend-box .condition");
  await page.keyboard.press("1");
  await page.waitForSelector(".legend-box", { state: "detached" });
  await page.locator(".stage canvas").focus();
  await bare(page, ".markers");
  const before = await drawn(page);
  for (let i = 0; i < 4; i++) await page.keyboard.press("ArrowRight");
  expect((await drawn(page, before)).hash !== before.hash, "arrows turn the model");
  await page.keyboard.press("f");
  await page.locator("main").focus();
  await page.keyboard.press("g");
  await page.keyboard.press("p");
  await page.waitForSelector(".sheet svg");
  await page.locator(".sheet").focus();
  const storey = await page.locator(".sheet").getAttribute("aria-label");
  await page.keyboard.press("PageUp");
  await page.waitForFunction((then) => document.querySelector(".sheet").getAttribute("aria-label") !== then, storey);
  await page.locator(".room-label").first().waitFor({ state: "attached" });
  const view = await page.locator(".sheet svg").getAttribute("viewBox");
  await page.keyboard.press("+");
  await page.waitForFunction((then) => document.querySelector(".sheet svg")?.getAttribute("viewBox") !== then, view);
}

export async function a_lost_graphics_card_comes_back({ open }) {
  const page = await opened(open);
  await bare(page);
  const before = await drawn(page);
  await page.evaluate(() => (window.lost = document.querySelector(".stage canvas").getContext("webgl2").getExtension("WEBGL_lose_context")).loseContext());
  await page.waitForSelector(".stage[data-lost]");
  await page.evaluate(() => window.lost.restoreContext());
  await page.waitForSelector(".stage:not([data-lost])");
  const after = await drawn(page);
  expect(Math.abs(after.share - before.share) < 0.02, "the same park is drawn again", [before, after]);
}

export async function without_webgl_the_page_says_what_to_do({ base }) {
  const browser = await launch(base, ["--disable-3d-apis"]);
  try {
    const page = await browser.open("/model", { allowed: /WebGL/ });
    await textWhen(page, ".notice", (text) => text.includes("cannot draw in 3D") && text.includes("floor plan"));
  } finally {
    await browser.close();
  }
}

export async function rooms_are_a_heat_map_and_open_their_faceplate({ open }) {
  const page = await open("/plan?colour=value&class=temperature", { size: SMALL });
  await page.waitForFunction(() => [...document.querySelectorAll(".sheet .space[data-id], .sheet .space [data-id]")].some((one) => one.style.fill), null);
  const room = await textWhen(page, ".room-label:not([hidden])", (text) => /\d.*°C/.test(text));
  expect(/°C/.test(await page.locator(".scale-legend").textContent()), "the scale has its unit");
  await picture(page, "plan-heat");
  await page.locator(".room-label:not([hidden])", { hasText: "°C" }).first().click();
  await textWhen(page, ".element-panel .value-rows", (text) => text.includes("°C"));
  const selected = await page.locator(".sheet [data-selected]").count();
  expect(selected === 1, "the room is marked on the drawing", [room, selected]);
  await page.keyboard.press("Escape");
  await page.waitForSelector(".element-panel", { state: "detached" });
  const before = await page.locator(".sheet svg").getAttribute("viewBox");
  const box = await page.locator(".sheet").boundingBox();
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  await page.mouse.wheel(0, -400);
  await page.waitForFunction((then) => document.querySelector(".sheet svg").getAttribute("viewBox") !== then, before);
  await page.click(".segments a:has-text('3D')");
  await page.waitForSelector(".stage[data-phase=open]");
  expect(new URL(page.url()).searchParams.get("class") === "temperature", "3D shows the same quantity", page.url());
}

export async function a_task_of_the_plan_shows_its_elements({ open }) {
  const page = await open("/schedule", { still: true });
  await page.waitForSelector(".gantt-row");
  await textWhen(page, ".plan-counts", (text) => /%/.test(text));
  const { items } = await api(page, "/schedule?limit=2000");
  const task = items.filter((one) => one.elements > 3 && !one.is_summary && !one.is_umbrella).sort((a, b) => b.elements - a.elements)[0];
  await page.fill(".gantt-tools input", task.name);
  await page.locator(".gantt-row", { hasText: task.name }).first().click();
  await textWhen(page, ".task-panel", (text) => text.includes("Planned") && text.includes("Elements"));
  await picture(page, "schedule");
  await page.click(".task-panel .button.primary");
  await page.waitForSelector(".stage[data-phase=open]");
  const said = await textWhen(page, ".legend-task", (text) => text.includes(task.name));
  expect(said.includes(String(task.elements)) || number(said) > 0, "how many stand out", said);
  await bare(page, ".markers");
  const lit = await drawn(page);
  await picture(page, "model-task");
  await page.click(".legend-task button");
  expect((await drawn(page, lit)).hash !== lit.hash, "and everything is shown again");
}

export async function the_board_follows_the_instant({ open }) {
  const page = await open("/schedule");
  await page.waitForSelector(".gantt-row");
  const counts = () => page.locator(".plan-counts").textContent();
  const now = await textWhen(page, ".plan-counts", (text) => /%/.test(text));
  const head = await page.locator(".gantt-dates").boundingBox();
  await page.mouse.click(head.x + 30, head.y + 10);
  await page.waitForSelector(".app[data-mode=paused]");
  await page.waitForFunction((then) => document.querySelector(".plan-counts").textContent !== then, now);
  const early = await counts();
  expect((await page.locator(".line-at").count()) === 1, "the instant shown is a line", early);
  const instant = await page.locator(".instant").textContent();
  await page.keyboard.press("]");
  await page.waitForFunction((then) => document.querySelector(".instant").textContent !== then, instant);
  await page.keyboard.press("l");
}

export async function a_plan_is_changed_from_the_page_and_undone({ open }) {
  const page = await open("/schedule", { allowed: /400/ }); // of the broken file at the end
  const before = await textWhen(page, ".facts", (text) => /\d{3} tasks/.test(text));
  const plan = "id,name,start,finish,predecessors\nA1,Raft of the pavilion,2027-03-02,2027-03-06,\nA2,Columns of the pavilion,2027-03-09,2027-03-13,A1\n";
  const change = async () => {
    await page.click(".view-title .button");
    await page.waitForSelector("dialog[open]");
  };
  await change();
  await page.setInputFiles("dialog input[type=file]", { name: "pavilion.csv", mimeType: "text/csv", buffer: Buffer.from(plan) });
  await page.click("dialog button[type=submit]");
  await textWhen(page, ".change-preview", (text) => /\d+ differences/.test(text));
  expect((await page.locator(".diff-list li").count()) > 0, "what would change is shown first");
  await picture(page, "change-preview");
  expect((await page.locator(".gantt-row").count()) > 5, "and nothing has changed yet");
  await page.click(".change-preview .button.primary");
  await textWhen(page, ".change-list li", (text) => text.includes("Active"));
  await page.keyboard.press("Escape");
  await textWhen(page, ".facts", (text) => text.includes("2 tasks"));
  await textWhen(page, ".gantt", (text) => text.includes("Raft of the pavilion"));
  await change();
  await page.locator(".change-list button").first().click();
  await textWhen(page, ".change-list li", (text) => text.includes("Undone"));
  await page.keyboard.press("Escape");
  const told = before.replace(/revision \d+$/, "");
  await textWhen(page, ".facts", (text) => text.startsWith(told)); // undone, the plan is the one of before
  await change();
  await page.setInputFiles("dialog input[type=file]", { name: "broken.xml", mimeType: "text/xml", buffer: Buffer.from("<Project><Task>") });
  await page.click("dialog button[type=submit]");
  await textWhen(page, "dialog .command-problem", (text) => text.length > 10);
}

const VIEWS = {
  model: ["/model", ".stage[data-phase=open]"],
  "model-plan": ["/model?colour=plan", ".stage[data-phase=open]"],
  "model-value": ["/model?colour=value&class=temperature", ".stage[data-phase=open]"],
  plan: ["/plan", ".sheet svg"],
  "plan-value": ["/plan?colour=value&class=temperature", ".sheet svg"],
  schedule: ["/schedule", ".gantt-row"],
};

const everywhere = (language, theme, size, names) => async ({ open }) => {
  for (const name of names) {
    const [path, there] = VIEWS[name];
    const page = await open(path, { language, theme, size });
    await page.waitForSelector(there);
    if (name === "model" || name === "schedule") await chosen(page, name);
    await page.waitForTimeout(1_500);
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

/** With a faceplate or a task open, so that these are looked at too. */
async function chosen(page, name) {
  if (name === "schedule") return page.locator(".gantt-row").nth(2).click();
  await page.locator(".marker").first().waitFor();
  await page.locator(".marker").first().dispatchEvent("click");
  await page.waitForSelector(".element-panel h2");
}

export const model_looks_right_en_light_wide = everywhere("en", "light", WIDE, ["model-value", "plan", "schedule"]);
export const model_looks_right_zh_dark_wide = everywhere("zh-TW", "dark", WIDE, ["model", "plan-value", "schedule"]);
export const model_looks_right_sk_light_phone = everywhere("sk", "light", PHONE, ["model", "model-plan", "plan-value", "schedule"]);
