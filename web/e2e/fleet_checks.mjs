// Trust in gateways on the page, against `aid4 run --listen`: a certificate shown, a gateway let in by the command that
// the page shows, typed on a "gateway" of its own, and one sent away.
import { execFileSync } from "node:child_process";
import { axeFindings, expect, PHONE, picture, smallTargets, textWhen } from "./browser.mjs";

const WAIT_MS = 240_000;
const FLEET = { en: ["Enrol a gateway", "Certificate: holds until"], sk: ["Prijať bránu", "Certifikát: platí do"], "zh-TW": ["納入閘道器", "憑證: 有效至"] };
const card = (page, node) => page.locator(`.node:has(h2:text-is("${node}"))`);

async function well(page, name, phone = false) {
  const findings = await axeFindings(page);
  expect(!findings.length, `${name}: nothing serious for those who use other means`, findings);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  expect(wide <= 0, `${name}: no sideways scroll`, wide);
  const small = phone ? await smallTargets(page) : [];
  expect(!small.length, `${name}: targets a thumb can hit`, small);
}

export async function gateways_are_let_in_and_out_from_the_page({ open }) {
  const page = await open("/nodes");
  await textWhen(page, ".node-trust", (text) => text.includes("holds until"), WAIT_MS);
  await page.waitForSelector(".node[data-online=true]", { timeout: WAIT_MS });
  await well(page, "gateways");

  await page.click("button:has-text('Enrol a gateway')");
  await page.fill("[name=node]", "gw-9");
  await well(page, "enrol");
  await page.click("dialog button[type=submit]");
  const command = await textWhen(page, "dialog code", (text) => text.startsWith("aid4 edge enrol --twin https://"));
  await well(page, "command");
  await picture(page, "screenshot-enrol");
  const [aid4, folder] = [process.env.AID4, process.env.GATEWAY];
  const type = (...words) => execFileSync(aid4, words, { cwd: folder, encoding: "utf8" });
  type("edge", "init", "--node", "gw-9", "--site", "farm");
  const told = type(...command.split(" ").slice(1));
  expect(told.includes("farm/gw-9 is enrolled"), "the command works as it is shown", told);
  await page.keyboard.press("Escape");
  await card(page, "gw-9").locator(".node-trust[data-state=valid]").waitFor();

  await card(page, "gw-1").locator("button:has-text('Revoke')").click();
  await page.fill("[name=why]", "stolen from the pump room");
  await well(page, "revoke");
  await picture(page, "fleet-revoke");
  await page.click("dialog button[type=submit]");
  await card(page, "gw-1").locator(".node-trust[data-state=revoked]").waitFor();
  await page.waitForSelector(".node[data-online=false]:has(.node-trust[data-state=revoked])");
  await textWhen(page, ".why", (text) => text.includes("revoked"));
  await well(page, "revoked");
  await picture(page, "fleet-revoked");
}

export async function a_gateway_is_configured_from_the_page_and_back({ open }) {
  const page = await open("/nodes");
  await page.waitForSelector(".node[data-online=true]", { timeout: WAIT_MS });
  await card(page, "gw-1").locator("button:has-text('Configuration')").click();
  const before = await shown(page, "dialog textarea", (text) => text.includes("[[source]]"));
  await page.locator("dialog button:has-text('Try it dry')").click();
  await textWhen(page, "dialog pre", (text) => text.includes("Nothing would change"));
  expect((await page.locator("dialog button:has-text('Apply it')").count()) === 0, "there is nothing to apply");

  await page.fill("dialog textarea", before.replace("[[source]]", "[[source]]\nno_such_option = 1"));
  await page.locator("dialog button:has-text('Try it dry')").click();
  await textWhen(page, "dialog form [role=alert]", (text) => text.includes("no_such_option"));
  await page.fill("dialog textarea", `${before}\n[[source]]\nkind = "host"\nname = "of-the-page"\n`);
  await page.locator("dialog button:has-text('Try it dry')").click();
  await textWhen(page, "dialog pre", (text) => text.includes("of-the-page"));
  await well(page, "dry run");
  await picture(page, "remote-dry-run");
  await page.click("dialog button:has-text('Apply it')");
  const tried = await textWhen(page, "dialog p", (text) => text.includes("is on trial"), WAIT_MS);
  await picture(page, "remote-trial");
  await page.click("dialog button:has-text('and take it back')");
  const revision = (text) => /\d{6,}/.exec(text)?.[0];
  await textWhen(page, "dialog p", (text) => revision(text) && revision(text) !== revision(tried), WAIT_MS); // the one of before, anew
  const told = await page.evaluate(() => fetch("/api/v1/fleet/rollouts").then((answer) => answer.json()));
  expect(told.items.length === 1 && told.items[0].state === "stopped", "it is stopped for all", told.items);
  await shown(page, "dialog textarea", (text) => text === before);
}

/** What stands in a field, once it is as wanted. */
async function shown(page, selector, wanted) {
  const end = Date.now() + WAIT_MS;
  for (;;) {
    const text = await page.locator(selector).inputValue();
    if (wanted(text)) return text;
    expect(Date.now() < end, `${selector} never showed what was waited for`, text);
    await page.waitForTimeout(100);
  }
}

export async function certificates_read_well_in_every_language_and_size({ open }) {
  for (const [language, [enrol, holds]] of Object.entries(FLEET))
    for (const [name, look] of [["desk", { theme: "light" }], ["night", { theme: "dark" }], ["phone", { size: PHONE }]]) {
      const page = await open("/nodes", { language, ...look });
      await textWhen(page, ".node-trust", (text) => text.includes(holds), WAIT_MS);
      await page.waitForSelector(`button:has-text("${enrol}")`);
      await well(page, `${language} ${name}`, name === "phone");
      await picture(page, `fleet-${language}-${name}`);
      await page.context().close();
    }
}
