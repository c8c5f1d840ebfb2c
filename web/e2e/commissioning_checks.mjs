// Commissioning as an engineer does it in front of a cabinet: the address of the label, each point, what was seen.
import { axeFindings, expect, PHONE, picture, smallTargets, textWhen } from "./browser.mjs";

const READY = { ready: ".commissioning" };
const LANGUAGES = { en: "Commissioning", sk: "Uvádzanie do prevádzky", "zh-TW": "現場核對" };

async function well(page, name) {
  const findings = await axeFindings(page);
  expect(!findings.length, `${name}: nothing serious for those who use other means`, findings);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  expect(wide <= 0, `${name}: no sideways scroll`, wide);
  const small = await smallTargets(page);
  expect(!small.length, `${name}: targets a thumb can hit`, small);
}

export async function a_phone_opens_a_device_and_marks_each_point({ base, open }) {
  const page = await open("/commissioning/gw/meter", { ...READY, size: PHONE });
  await well(page, "device");
  await picture(page, "commissioning-phone");
  const points = page.locator(".verify-point");
  expect((await points.count()) === 2, "every point of the device is listed", await points.count());
  const first = points.nth(0);
  await textWhen(page, ".verify-point .verify-value", (text) => /kW/.test(text));
  await first.getByRole("button", { name: "With a value or remark" }).click();
  await first.locator("input").nth(0).fill("50.2");
  await first.locator("input").nth(1).fill("at the display");
  await picture(page, "commissioning-seen");
  await first.getByRole("button", { name: "Right", exact: true }).click();
  const told = await textWhen(page, ".verify-point .verify-told", (text) => /50\.2/.test(text));
  expect(/local saw it/.test(told) && /at the display/.test(told), "who, when and what was seen stand there", told);
  await textWhen(page, ".view-head .verified-bar", (text) => /1 of 2/.test(text));
  const second = points.nth(1);
  await second.getByRole("button", { name: "With a value or remark" }).click();
  const wrong = second.getByRole("button", { name: "Wrong" });
  expect(await wrong.isDisabled(), "a wrong point needs a reason");
  await second.locator("input").nth(1).fill("another meter");
  await wrong.click();
  await textWhen(page, ".view-head .verified-bar", (text) => /1 wrong/.test(text));
  await well(page, "device, told");
  await picture(page, "commissioning-told");
  const saved = await (await fetch(`${base}/api/v1/commissioning/gw/meter`)).json();
  expect(saved.points[0].verified.seen === "50.2" && saved.progress.wrong === 1, "the twin keeps it", saved.progress);
  await page.locator(".verify-code summary").click();
  const drawn = await page.locator(".verify-code img").evaluate((image) => image.decode().then(() => image.naturalWidth));
  expect(drawn > 0, "the code of the device is drawn", drawn);
}

export async function devices_are_listed_with_what_is_left_in_three_languages({ open }) {
  for (const [language, title] of Object.entries(LANGUAGES)) {
    for (const theme of ["light", "dark"]) {
      const page = await open("/commissioning", { ...READY, size: PHONE, theme, language });
      await textWhen(page, "h1", (text) => text === title);
      await page.waitForSelector(".verify-device");
      await well(page, `${language} ${theme}`);
      await picture(page, `commissioning-list-${language}-${theme}`);
      await page.context().close();
    }
  }
  const page = await open("/commissioning", READY);
  await page.waitForSelector(".verify-device");
  await picture(page, "commissioning-wide");
  await page.fill('.commissioning input[type="search"]', "meter");
  await page.waitForFunction(() => document.querySelectorAll(".verify-device").length === 1);
  await page.locator(".verify-device").click();
  await page.waitForSelector(".verify-points");
  expect(new URL(page.url()).pathname === "/commissioning/gw/meter", "a device has the address of its label", page.url());
}
