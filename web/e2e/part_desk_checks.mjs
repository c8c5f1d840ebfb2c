// The parts of the page that people work at, each on a living campus: alarms, faceplates and changes, the fleet, SQL,
// reports, languages and the wall, and at last sign-in. Against `aid4 run` as in part_scene_checks.mjs.
import { axeFindings, expect, PHONE, picture, textWhen } from "./browser.mjs";

const SMALL = { width: 1160, height: 720 };
const HOT = "tr[data-alarm='point:gw-1/room-canteen/temperature:high']";
const WAIT_MS = 240_000;
const number = (text) => Number(text.replace(/[^\d.-]/g, ""));
const api = async (page, path) => page.evaluate(async (asked) => (await fetch(`/api/v1${asked}`)).json(), path);

export async function part_4_alarms({ open }) {
  const page = await open("/", { size: SMALL });
  await page.evaluate(() => {
    window.rung = 0;
    const { start } = OscillatorNode.prototype;
    OscillatorNode.prototype.start = function (...given) {
      window.rung++;
      return start.apply(this, given);
    };
  });
  await page.keyboard.press("a");
  await page.waitForSelector(HOT, { timeout: WAIT_MS });
  await page.click("button:has-text('Sound')");
  await page.waitForFunction(() => window.rung > 0);
  await page.click("button:has-text('Sound')");

  await page.click(`${HOT} .alarm-name`);
  await textWhen(page, ".alarm-meaning", (text) => text.includes("What to do"));
  await page.fill(".alarm-note input", "someone is on the way");
  await page.click(".alarm-note button");
  await textWhen(page, ".alarm-journal", (text) => text.includes("someone is on the way"));
  await page.click(".alarm-detail button:has-text('Acknowledge')");
  await textWhen(page, ".alarm-meaning", (text) => text.includes("local")); // who has it owns it
  await page.click(".alarm-detail button:has-text('Shelve')");
  await page.fill("dialog .alarm-reason input", "the fan is being changed");
  await page.keyboard.press("Enter");
  await page.waitForSelector(HOT, { state: "detached" });
  await page.click(".chip[data-state=shelved]");
  await textWhen(page, HOT, (text) => text.includes("the fan is being changed"));
  await page.click(".alarm-detail button:has-text('Let it ring again')");
  await page.click(".chip[data-state=shelved]");

  await page.click(".chip[data-state=suppressed]"); // of a silent device only the device rings
  await page.waitForSelector("tr[data-alarm='point:gw-1/heat-pump/power:stale']");
  await page.click(".chip[data-state=suppressed]");
  await page.click(".alarm-figures summary");
  await textWhen(page, ".alarm-figures .measures", (text) => /\d/.test(text));
}

/** What a detector found in a planted fault: which channels, what is probably behind it, and what to do. */
export async function part_4_why_a_detector_rings({ open }) {
  const page = await open("/alarms", { size: SMALL });
  await page.waitForFunction(() => document.querySelector("tr[data-alarm^='detector:']"), null, { timeout: 2 * WAIT_MS });
  await page.locator("tr[data-alarm^='detector:'] .alarm-name").first().click();
  const why = await textWhen(page, ".explanation", (text) => /%/.test(text));
  expect((await page.locator(".channel-list li").count()) > 0 && (await page.locator(".explanation .cause").count()) > 0, "which channels, and what is probably behind", why);
  await picture(page, "screenshot-alarms");
}

export async function part_6_faceplates_and_changes({ open }) {
  const page = await open("/", { size: SMALL, allowed: /status of 400/ });
  const { items } = await api(page, "/points?q=room-lobby&limit=200");
  const point = items.find((one) => one.metric === "temperature");
  await page.goto(new URL(`/point/${point.id}`, page.url()).href);
  await page.click(".view-title button:has-text('Change')");
  await page.fill("dialog [name=high]", "31.5");
  await page.fill('dialog input[maxlength="500"]', "summer");
  await page.click("dialog button:has-text('Show what it changes')");
  await textWhen(page, ".change-preview", (text) => text.includes("31.5"));
  await picture(page, "screenshot-change");
  await page.click(".change-preview .button.primary");
  await textWhen(page, ".change-list li", (text) => text.includes("Active") && text.includes("Limits"));
  expect((await api(page, `/points/${point.id}`)).high === 31.5, "the limit is true now");
  await page.click(".change-list button:has-text('Undo')");
  await textWhen(page, ".change-list li", (text) => text.includes("Undone"));
  expect((await api(page, `/points/${point.id}`)).high === point.high, "and is what it was");

  await page.click("dialog label:has-text('Place')");
  const { items: rooms } = await api(page, "/elements?type=IfcSpace&limit=200");
  const other = rooms.find((one) => one.id !== point.space);
  await page.fill("dialog [name=place]", other.id);
  await page.click("dialog button:has-text('Show what it changes')");
  await textWhen(page, ".change-preview", (text) => text.includes(other.id));
  await page.click(".change-preview .button.primary");
  await textWhen(page, ".change-list li", (text) => text.includes("Active") && text.includes("Place"));
  expect((await api(page, `/points/${point.id}`)).space === other.id, "it belongs elsewhere now");
  await page.locator(".change-list button:has-text('Undo')").first().click();
  await textWhen(page, ".change-list li", (text) => text.includes("Undone"));
  expect((await api(page, `/points/${point.id}`)).element === point.element, "and where it was");

  await page.goto(new URL("/alarms", page.url()).href);
  await page.click("button:has-text('Rules and routes')");
  const rules = await page.locator("[name=rules]").inputValue();
  await page.fill("[name=rules]", `${rules}\n[[route]]\nname = "night"\nkind = "email"\nto = "night@park.example"\nlanguage = "sk"\n`);
  await page.click("dialog button:has-text('Show what it changes')");
  await textWhen(page, ".change-preview", (text) => text.includes("night@park.example"));
  await page.click(".change-preview .button.primary");
  await textWhen(page, ".change-list li", (text) => text.includes("Active"));
  await page.locator(".change-list button:has-text('Undo')").first().click();
  await textWhen(page, ".change-list li", (text) => text.includes("Undone"));
  await page.fill("[name=rules]", "[[route]]\nname = 5\n");
  await page.click("dialog button:has-text('Show what it changes')");
  await textWhen(page, "dialog .command-problem", (text) => text.length > 10);
}

/** Send a file of a kind through the dialog of the schedule, up to what it would change. */
async function proposed(page, kind, file) {
  await page.click(`dialog label:has-text('${kind}')`);
  await page.setInputFiles("dialog input[type=file]", file);
  await page.click("dialog button[type=submit]");
  return textWhen(page, ".change-preview h3", (text) => /\d+ difference/.test(text), WAIT_MS);
}

const SMALL_MODEL = `ISO-10303-21;
HEADER;
FILE_DESCRIPTION((''),'2;1');
FILE_NAME('one.ifc','2026-11-23T00:00:00',(''),(''),'','','');
FILE_SCHEMA(('IFC4'));
ENDSEC;
DATA;
#1=IFCPROJECT('0YvctVUKr0kugbFTf53O9L',$,'One wall',$,$,$,$,(#5),#2);
#2=IFCUNITASSIGNMENT((#3));
#3=IFCSIUNIT(*,.LENGTHUNIT.,$,.METRE.);
#4=IFCAXIS2PLACEMENT3D(#6,$,$);
#5=IFCGEOMETRICREPRESENTATIONCONTEXT($,'Model',3,1.E-05,#4,$);
#6=IFCCARTESIANPOINT((0.,0.,0.));
#7=IFCWALL('1YvctVUKr0kugbFTf53O9L',$,'Wall',$,$,$,$,$,$);
ENDSEC;
END-ISO-10303-21;
`;

/** Links and a model of the campus: what they would change is shown; links are made true and undone. */
export async function part_6_files_that_change_the_park({ open }) {
  const page = await open("/schedule", { size: SMALL });
  const before = await textWhen(page, ".facts", (text) => /\d+ links/.test(text));
  const { items: tasks } = await api(page, "/schedule?limit=200");
  const task = tasks.find((one) => !one.is_summary && !one.is_umbrella);
  const { items: elements } = await api(page, "/elements?type=IfcWall&limit=2");
  await page.click(".view-title .button");
  await page.waitForSelector("dialog[open]");
  const links = `GlobalId,task_id\n${elements[0].id},${task.id}\n`;
  await proposed(page, "Links", { name: "links.csv", mimeType: "text/csv", buffer: Buffer.from(links) });
  await page.click(".change-preview .button.primary");
  await textWhen(page, ".change-list li", (text) => text.includes("Active") && text.includes("Links"), WAIT_MS);
  await page.locator(".change-list button:has-text('Undo')").first().click();
  await textWhen(page, ".change-list li", (text) => text.includes("Undone"), WAIT_MS);
  await proposed(page, "Building model", { name: "one.ifc", mimeType: "application/x-step", buffer: Buffer.from(SMALL_MODEL) });
  expect((await page.locator(".diff-list li").count()) > 20, "a model without the campus would take much away");
  await page.click(".change-preview button:has-text('Cancel')");
  await page.keyboard.press("Escape");
  await textWhen(page, ".facts", (text) => text.split(" · ")[0] === before.split(" · ")[0]);
}

export async function part_8_the_fleet({ open }) {
  const page = await open("/nodes", { size: SMALL });
  const first = await textWhen(page, ".node", (text) => text.includes("Online") && text.includes("aid4"));
  expect(/spool/i.test(first), "health, spool and version of a gateway", first);
  await page.waitForFunction(() => [...document.querySelectorAll(".node tr")].some((row) => /heat-pump.*(no connection|No response|left out)/.test(row.textContent)), null, { timeout: WAIT_MS });
  await page.click(".node-sources summary >> nth=0");
  await textWhen(page, ".node-sources", (text) => text.includes("main-meter"));
  await page.click(".node-sources summary >> nth=0");
  const card = page.locator(".model-card[data-model=air]");
  await card.waitFor({ timeout: WAIT_MS });
  const told = await textWhen(page, ".model-card[data-model=air]", (text) => text.includes("twin") || text.includes("gw-1"));
  expect((await card.locator(".stages [aria-current=step]").textContent()).length > 0, "how far the model is", told);
  await card.scrollIntoViewIfNeeded();
  await card.locator("button:has-text('Go on')").click();
  await page.waitForFunction(() => document.querySelector(".model-card[data-model=air] .stages li:nth-child(2)")?.getAttribute("aria-current") === "step");
  await picture(page, "screenshot-fleet");
  await card.locator("button:has-text('Take off'), button:has-text('Back')").last().click();
  await page.waitForFunction(() => !document.querySelector(".model-card[data-model=air] .stages"));
}

export async function part_9_explore({ open }) {
  const page = await open("/explore", { size: SMALL, allowed: /inline style/ }); // what Chromium itself styles while one edits
  await page.click(".sql-editor .cm-content");
  await page.keyboard.press("Control+a");
  await page.keyboard.type("SELECT point_class, count(*) AS points FROM poi");
  await page.waitForSelector(".cm-tooltip-autocomplete li:has-text('points')");
  await page.keyboard.press("Enter");
  await page.keyboard.insertText(" GROUP BY ALL ORDER BY points DESC");
  await page.keyboard.press("Control+Enter");
  await textWhen(page, ".grid tbody tr", (text) => /\d/.test(text));
  await picture(page, "screenshot-explore");
  await page.click('.chip:has-text("Chart")');
  await page.fill('.explore-keep [name="name"]', "points by class");
  await page.click('.explore-keep button[type="submit"]');
  await page.waitForSelector('.explore-saved button:has-text("points by class")');
  await page.click('.chip:has-text("Python")');
  await textWhen(page, ".explore-python pre", (text) => text.includes("GROUP BY ALL"));
}

export async function part_11_reports({ base, open }) {
  const page = await open("/reports", { size: SMALL });
  const today = await page.locator(".report-tools input[type=date]").getAttribute("max");
  await page.fill(".report-tools input[type=date]", today);
  const frame = page.frameLocator(".report-page");
  for (const [kind, title] of [["Construction", "Postup výstavby"], ["Energy", "Energia a CO₂"], ["Alarms", "Správa o alarmoch"], ["Daily", "Denná prevádzka"]]) {
    await page.click(`.report-tools .chip:has-text("${kind}")`);
    await page.selectOption(".report-tools select", "sk");
    await frame.locator(`h1:has-text("${title}")`).waitFor();
  }
  await page.selectOption(".report-tools select", "zh-TW");
  await frame.locator("h1:has-text('報表')").waitFor();
  await picture(page, "screenshot-reports");
  const planned = await page.locator(".report-list").first().textContent();
  expect(planned.includes("06:00") && planned.includes("sk, en"), "what comes by itself, and when", planned);
  const pdf = await page.evaluate(async (url) => [...new Uint8Array(await (await fetch(url)).arrayBuffer()).slice(0, 5)], `${base}/api/v1/reports/energy?day=${today}&format=pdf&language=sk`);
  expect(String.fromCharCode(...pdf) === "%PDF-", "and as a PDF", pdf);
}

const VIEWS = ["/", "/alarms", "/nodes", "/trends", "/flights", "/scans", "/schedule", "/map", "/plan", "/explore", "/reports", "/shift", "/account", "/browse"];

export async function part_12_languages_walls_keys({ open }) {
  const wall = await open("/?kiosk=1", { size: { width: 3840, height: 2160 }, theme: "dark", language: "zh-TW" });
  await textWhen(wall, ".park .figure .number", (text) => number(text) > 0);
  const size = await wall.locator(".park .figure .number").first().evaluate((one) => one.getBoundingClientRect().height);
  expect(size > 48, "a number on the wall is read from afar", size);
  expect(!(await wall.locator(".time-bar").isVisible()) && !(await wall.locator(".side").isVisible()), "and nothing asks to be operated");
  const wide = await wall.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  expect(wide <= 0, "it fits", wide);
  await wall.keyboard.press("Shift+K");
  await wall.waitForSelector(".time-bar", { state: "visible" });
  await wall.context().close();

  const page = await open("/", { size: SMALL, theme: "dark", language: "zh-TW", allowed: /inline style/ });
  for (const path of VIEWS) {
    await page.goto(new URL(path, page.url()).href);
    await page.waitForSelector("main h1, main .sheet svg, main .stage");
    await page.waitForLoadState("networkidle").catch(() => {}); // what is live never rests for long
    const serious = await axeFindings(page);
    expect(!serious.length, `${path}: axe finds nothing serious`, serious);
    const raw = await page.evaluate(() => /\b(condition|time|view|column|count|alarm|change|node|map)\.[a-z]\w+/.exec(document.body.innerText)?.[0]);
    expect(!raw, `${path}: no text without a translation`, raw);
  }
  await page.goto(new URL("/", page.url()).href);
  await page.waitForSelector(".park .figure .number");
  await picture(page, "screenshot-languages");
  for (const [keys, path] of [["ga", "/alarms"], ["gn", "/nodes"], ["gs", "/schedule"], ["gt", "/trends"], ["go", "/"]]) {
    for (const key of keys) await page.keyboard.press(key);
    await page.waitForFunction((wanted) => location.pathname === wanted, path);
  }
  await page.keyboard.press("?");
  await page.waitForSelector("dialog[open] .shortcuts");
  await page.keyboard.press("Escape");
  const phone = await open("/", { size: PHONE, language: "sk" });
  await textWhen(phone, ".park .figure .number", (text) => number(text) > 0);
  await picture(phone, "screenshot-phone");
}

const PASSWORD = "four horses under a quiet sky";

const ASKED = { size: SMALL, allowed: /status of 40[13]|WebSocket/ };

/** The last one: from here on the park asks who comes. */
export async function part_10_sign_in_and_roles({ open }) {
  const page = await open("/account/users", ASKED);
  await page.fill('.access-form [name="name"]', "anna");
  await page.fill('.access-form [name="password"]', PASSWORD);
  await page.click(".access-form button[type=submit]");
  await page.waitForSelector(".gate [name=name]");
  await page.fill("[name=name]", "anna");
  await page.fill("[name=password]", "not the password");
  await page.keyboard.press("Enter");
  await textWhen(page, "[role=alert]", (text) => text.includes("wrong"));
  await page.fill("[name=password]", PASSWORD);
  await page.keyboard.press("Enter");
  await page.waitForSelector(".connection[data-phase]");
  await page.goto(new URL("/account/users", page.url()).href);
  await page.fill('.access-form [name="name"]', "guest");
  await page.selectOption(".access-form [name=role]", "viewer");
  await page.click(".access-form button[type=submit]");
  const link = new URL(await page.locator(".access-secret code").textContent());
  await picture(page, "screenshot-accounts");

  const guest = await open(link.pathname + link.hash, { ...ASKED, ready: ".gate" });
  await guest.waitForSelector("[name=again]");
  await guest.fill("[name=password]", PASSWORD);
  await guest.fill("[name=again]", PASSWORD);
  await guest.click("button[type=submit]");
  await guest.waitForSelector(".connection[data-phase]");
  await guest.click('.top-bar button[aria-label="Account and more"]');
  await textWhen(guest, ".menu-who", (text) => text.includes("guest") && text.includes("Viewer"));
  const refused = await guest.evaluate(() => fetch("/api/v1/users").then((answer) => answer.status));
  expect(refused === 403, "a viewer may not see the accounts", refused);
  await page.goto(new URL("/account/audit", page.url()).href);
  await textWhen(page, ".audit tbody", (text) => text.includes("account added"));
}
