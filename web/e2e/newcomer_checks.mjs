// What a newcomer is asked on the first day, without a manual: each answer within three clicks or keys.
// Against an `aid4 run` of the campus with the faults of tests/web/campus.toml planted.
import { expect, picture, textWhen } from "./browser.mjs";

const HANDS_MAX = 3;
const RUNG_MS = 240_000; // until what was planted has rung
const PLANTED = "tr[data-alarm='point:gw-1/room-server/temperature:high']";
const SILENT = "tr[data-alarm='device:gw-1/heat-pump:silent']";

/** A person's hands on the page, which are counted from one question to the next. */
function hands(page) {
  let used = 0;
  return {
    click: (selector) => (used++, page.locator(selector).first().click()),
    press: (key) => (used++, page.keyboard.press(key)),
    answered(question) {
      expect(used <= HANDS_MAX, `${question}: at most ${HANDS_MAX} clicks or keys`, used);
      used = 0;
    },
  };
}

export async function a_newcomer_finds_understands_and_answers({ open }) {
  const page = await open("/");
  const hand = hands(page);
  await textWhen(page, ".top-views .view-alarms .count", (text) => Number(text) >= 1);
  await picture(page, "newcomer-first-screen");

  await hand.click(".top-views .view-alarms");
  const row = await textWhen(page, PLANTED, (text) => text.includes("°C") && text.includes("Not acknowledged"), RUNG_MS);
  const worst = await page.locator("tr[data-alarm]").first().getAttribute("data-alarm");
  expect(worst === "point:gw-1/room-server/temperature:high", "the worst stands first", [worst, row]);
  hand.answered("which alarm is it");

  await hand.click(`${PLANTED} .alarm-name`);
  await textWhen(page, ".alarm-detail", (text) => text.includes("What to do"));
  await hand.click(".alarm-detail a:has-text('Show in 3D')");
  await page.waitForSelector(".stage[data-phase=open]", { timeout: RUNG_MS }); // a new park is drawn first
  await textWhen(page, ".element-panel", (text) => /Server room/i.test(text));
  await picture(page, "newcomer-where");
  hand.answered("where is it");

  await hand.press("a");
  await page.waitForSelector(".alarm-detail");
  await hand.click(".alarm-detail button:has-text('Trend at that moment')");
  await page.waitForURL((url) => url.searchParams.has("from") && url.searchParams.has("points"));
  await textWhen(page, ".legend", (text) => /temperature/i.test(text));
  await page.waitForSelector(".banner[data-kind=history]");
  await picture(page, "newcomer-trend");
  hand.answered("how did it come");

  await hand.press("l");
  await page.waitForSelector(".app[data-mode=live]");
  await hand.press("a");
  await hand.click(".alarm-detail button:has-text('Acknowledge')");
  await textWhen(page, PLANTED, (text) => !text.includes("Not acknowledged"));
  hand.answered("acknowledge it");

  await page.waitForSelector(SILENT, { timeout: RUNG_MS });
  await hand.click(`${SILENT} .alarm-name`);
  await hand.click(".alarm-detail button:has-text('Shelve')");
  await page.waitForSelector("dialog[open]");
  await picture(page, "newcomer-shelve");
  await hand.click("dialog button:has-text('Being repaired')");
  await page.waitForSelector(SILENT, { state: "detached" });
  hand.answered("shelve another for an hour");
  const shelved = await page.evaluate(async () => (await (await fetch("/api/v1/alarms?state=shelved")).json()).items[0]);
  const minutes = (Date.parse(shelved.shelved_until) - Date.now()) / 60_000;
  expect(minutes > 50 && minutes <= 60, "for an hour, unless said otherwise", [minutes, shelved]);

  const raised = await page.evaluate(async () => {
    const { items } = await (await fetch("/api/v1/alarms")).json();
    return Date.parse(items.find((one) => one.key === "point:gw-1/room-server/temperature:high").raised);
  });
  await hand.click(`${PLANTED} .alarm-name`);
  await hand.click(".alarm-detail button:has-text('Just before')");
  await page.waitForSelector(".banner[data-kind=history]");
  await page.waitForURL((url) => url.searchParams.has("at"));
  const shown = Date.parse(new URL(page.url()).searchParams.get("at"));
  expect(shown < raised && raised - shown < 3_600_000, "an instant just before the fault", [shown, raised]);
  await page.waitForSelector(PLANTED, { state: "detached" });
  await picture(page, "newcomer-before");
  hand.answered("how was it before");

  await hand.press("l");
  await hand.press("g");
  await hand.press("s");
  await textWhen(page, ".late-list", (text) => /\d/.test(text));
  await picture(page, "newcomer-late");
  hand.answered("what is late on the plan");
}
