// What people rely on at the desk: who may do what, SQL, reports and the shift log; in a real browser against a real twin.
import { axeFindings, expect, PHONE, picture, smallTargets, textWhen, WIDE } from "./browser.mjs";

const PASSWORD = "four horses under a quiet sky";
const OTHER = "a lamp of seven winters";
const GATE = { ready: ".gate" };
const PROVOKED = /status of 40[13]|status of 429|WebSocket/;

async function menu(page, text) {
  await page.click('.top-bar button[aria-label="Account and more"]');
  await page.click(`dialog .menu-way:has-text("${text}")`);
}

async function fill(page, fields) {
  for (const [name, value] of Object.entries(fields)) await page.fill(`[name="${name}"]`, value);
}

/** No serious finding, no sideways scroll, targets large enough on a phone. */
async function well(page, name, phone) {
  const findings = await axeFindings(page);
  expect(!findings.length, `${name}: nothing serious for those who use other means`, findings);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  expect(wide <= 0, `${name}: no sideways scroll`, wide);
  if (phone) {
    const small = await smallTargets(page);
    expect(!small.length, `${name}: targets a thumb can hit`, small);
  }
}

export async function the_first_admin_comes_by_a_link_and_everybody_after_by_a_role({ base, open }) {
  const first = await open(new URL(process.env.WELCOME).pathname + new URL(process.env.WELCOME).hash, { ...GATE, allowed: /status of 400/ });
  await first.waitForSelector("[name=password]");
  await well(first, "first run");
  await picture(first, "first-run");
  await fill(first, { name: "anna", full_name: "Anna Nová", password: "short", again: "short" });
  await first.click("button[type=submit]");
  await textWhen(first, "[role=alert]", (text) => /12/.test(text));
  await fill(first, { password: PASSWORD, again: PASSWORD });
  await first.click("button[type=submit]");
  await first.waitForSelector(".connection[data-phase]");
  await menu(first, "Accounts");
  await fill(first, { name: "guest" });
  await first.click(".access-form button[type=submit]");
  const link = new URL(await first.locator(".access-secret code").textContent());
  await well(first, "accounts");
  await picture(first, "accounts");

  const guest = await open(link.pathname + link.hash, { ...GATE, allowed: PROVOKED });
  await guest.waitForSelector("[name=password]");
  await fill(guest, { password: OTHER, again: OTHER });
  await guest.click("button[type=submit]");
  await guest.waitForSelector(".connection[data-phase]");
  await guest.click('.top-bar button[aria-label="Account and more"]');
  await textWhen(guest, ".menu-who", (text) => text.includes("guest") && text.includes("Viewer"));
  expect((await guest.locator('.menu-way:has-text("Explore")').count()) === 0, "a viewer is not offered what a viewer may not do");
  expect((await guest.locator('.menu-way:has-text("Accounts")').count()) === 0, "nor other people's accounts");
  await guest.keyboard.press("Escape");
  await guest.goto(`${base}/shift`);
  await textWhen(guest, ".needs", (text) => text.includes("Operator"));
  await guest.goto(`${base}/schedule`);
  const change = guest.locator("button:has-text('Change')").first();
  if (await change.count()) expect(await change.isDisabled(), "what may not be done is not to be pressed");
  const refused = await guest.evaluate(() => fetch("/api/v1/users").then((answer) => answer.status));
  expect(refused === 403, "and the twin refuses it too", refused);

  await first.click('.chip:has-text("Audit")');
  await textWhen(first, ".audit tbody", (text) => text.includes("account added") && text.includes("GET /users"));
  await well(first, "audit");
  await first.click('.chip:has-text("Accounts")');
  await first.click('tr:has-text("guest") button:has-text("Disable")');
  await textWhen(first, 'tr:has-text("guest")', (text) => text.includes("disabled"));
  await guest.goto(`${base}/alarms`);
  await guest.waitForSelector(".gate");

  await menu(first, "Account");
  await textWhen(first, ".access", (text) => text.includes("this browser"));
  await fill(first, { old: PASSWORD, new: OTHER, again: OTHER });
  await first.click('form:has([name="old"]) button[type=submit]');
  await textWhen(first, ".access [role=status]", (text) => text.includes("password is changed"));
  await first.fill('form:has([name="days"]) [name="name"]', "notebook");
  await first.click('button:has-text("Make a token")');
  await textWhen(first, ".access-secret code", (text) => text.startsWith("aid4_"));
  await well(first, "account");
}

export async function signing_in_says_what_is_wrong_and_leads_where_one_wanted_to_go({ base, open }) {
  const page = await open("/alarms", { ...GATE, allowed: PROVOKED });
  await well(page, "sign-in");
  await picture(page, "sign-in");
  await fill(page, { name: "anna", password: "not the password" });
  await page.keyboard.press("Enter");
  await textWhen(page, "[role=alert]", (text) => text.includes("wrong"));
  await page.click('button:has-text("slovenčina")');
  await textWhen(page, "h1", (text) => text.includes("Prihlásenie"));
  await fill(page, { name: "anna", password: OTHER });
  await page.keyboard.press("Enter");
  await page.waitForSelector(".connection[data-phase]");
  expect(new URL(page.url()).pathname === "/alarms", "back to what was asked for", page.url());
  const dark = await open("/", { ...GATE, theme: "dark", language: "zh-TW", size: PHONE });
  await well(dark, "sign-in on a phone", true);
  await picture(dark, "sign-in-phone");
  const cookie = (await page.context().cookies(base)).find((one) => one.name === "aid4_session");
  expect(cookie.httpOnly && cookie.sameSite === "Strict", "the session is out of reach of scripts and other sites", cookie);
}

export async function sql_is_asked_completed_shown_kept_and_taken_along({ open }) {
  const page = await open("/explore", { allowed: /inline style|status of 400/ }); // what Chromium itself styles while one edits
  await page.click(".sql-editor .cm-content");
  await page.keyboard.press("Control+a");
  await page.keyboard.type("SELECT key, unit FROM poi");
  await page.waitForSelector(".cm-tooltip-autocomplete li:has-text('points')");
  await page.keyboard.press("Enter");
  await page.keyboard.type(" ORDER BY key ");
  await page.keyboard.press("Escape");
  await page.keyboard.press("Control+Enter");
  const first = await textWhen(page, ".grid tbody tr", (text) => text.includes("/"));
  expect(first.length > 3, "the answer stands in a table", first);
  expect((await page.locator(".grid tbody tr").count()) < 80, "and only the rows in sight are in the page");
  expect(new URL(page.url()).pathname === "/explore", "what is typed is no shortcut", page.url());
  await well(page, "explore");
  await picture(page, "explore");

  const [file] = await Promise.all([page.waitForEvent("download"), page.click('button:has-text("CSV")')]);
  expect((await file.suggestedFilename()) === "query.csv", "as a file");
  await page.fill('.explore-keep [name="name"]', "all points");
  await page.click('.explore-keep button[type="submit"]');
  await page.waitForSelector('.explore-saved button:has-text("all points")');

  await ask(page, "SELECT i, sin(i / 10.0) AS wave FROM range(500) AS t(i)");
  await textWhen(page, ".explore-tools [role=status]", (text) => text.includes("500 rows"));
  await page.click('.chip:has-text("Chart")');
  await page.waitForSelector(".sql-chart path");
  await picture(page, "explore-chart");
  await ask(page, "SELECT nonsense FROM points");
  await textWhen(page, ".explore-problem", (text) => text.includes("nonsense"));
  await ask(page, "SELECT count(*) FROM range(100000000000) AS t(i) WHERE sin(i) > 2");
  await page.click('button:has-text("Stop")');
  await textWhen(page, ".explore-tools [role=status]", (text) => !text.includes("running"));
  await page.click('.explore-saved button:has-text("all points")');
  await page.click('.chip:has-text("Python")');
  console.log(JSON.stringify(await textWhen(page, ".explore-python pre", (text) => text.includes("ORDER BY key"))));
  const phone = await open("/explore", { size: PHONE, theme: "dark", language: "zh-TW", allowed: null });
  await phone.waitForSelector(".sql-editor .cm-content");
  await well(phone, "explore on a phone", true);
  await picture(phone, "explore-phone");
}

async function ask(page, sql) {
  await page.click(".sql-editor .cm-content");
  await page.keyboard.press("Control+a");
  await page.keyboard.insertText(sql);
  await page.keyboard.press("Control+Enter");
}

export async function a_days_report_is_read_in_three_languages_and_taken_as_pdf({ base, open }) {
  const page = await open("/reports");
  const today = await page.locator(".report-tools input[type=date]").getAttribute("max");
  await page.fill(".report-tools input[type=date]", today);
  const frame = page.frameLocator(".report-page");
  const titles = { en: "Construction progress", sk: "Postup výstavby", "zh-TW": "施工進度報表" };
  await page.click('.chip:has-text("Construction")');
  for (const [language, title] of Object.entries(titles)) {
    await page.selectOption(".report-tools select", language);
    await frame.locator(`h1:has-text("${title}")`).waitFor();
    expect((await frame.locator("svg").count()) > 0, "with its charts");
  }
  for (const [kind, title] of [["Alarms", "警報報表"], ["Energy", "能源與 CO₂ 報表"], ["Daily", "每日營運報表"]]) {
    await page.click(`.report-tools .chip:has-text("${kind}")`);
    await frame.locator(`h1:has-text("${title}")`).waitFor();
  }
  await well(page, "reports");
  await picture(page, "reports");
  const pdf = await page.evaluate(async (url) => [...new Uint8Array(await (await fetch(url)).arrayBuffer()).slice(0, 5)], `${base}/api/v1/reports/operations?day=${today}&format=pdf&language=zh-TW`);
  expect(String.fromCharCode(...pdf) === "%PDF-", "and as a PDF", pdf);
  const phone = await open("/reports", { size: PHONE, theme: "dark", language: "zh-TW" });
  await phone.frameLocator(".report-page").locator("h1").waitFor();
  await well(phone, "reports on a phone", true);
  await picture(phone, "reports-phone");
}

export async function the_shift_writes_hands_over_and_takes_over({ open }) {
  const page = await open("/");
  await menu(page, "Shift log");
  await page.fill(".shift-log textarea", "Pump 2 restarted after #1");
  await page.click('button:has-text("Enter")');
  await textWhen(page, ".shift-entries li", (text) => text.includes("Pump 2 restarted") && text.includes("#1"));
  await page.click('.shift-entries button:has-text("Correct")');
  await page.fill(".shift-log textarea", "It was pump 3");
  await page.click('button:has-text("Enter")');
  await textWhen(page, ".shift-entries li", (text) => text.includes("Corrects entry") && text.includes("pump 3"));
  await page.fill(".shift-handovers textarea", "Watch pump 3");
  await page.click('button:has-text("Hand over")');
  await textWhen(page, ".shift-handovers h2", (text) => text.includes("Waits"));
  await well(page, "shift log");
  await picture(page, "shift");
  await page.click('button:has-text("Take over")');
  await textWhen(page, ".shift-handovers summary", (text) => text.includes("→"));
  const phone = await open("/shift", { size: PHONE, theme: "dark", language: "sk" });
  await textWhen(phone, ".shift-entries", (text) => text.includes("Pump 2"));
  await well(phone, "shift log on a phone", true);
  await picture(phone, "shift-phone");
}
