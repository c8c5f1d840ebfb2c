// node e2e/run.mjs BASE CHECK: runs one check of *checks.mjs against the twin at BASE; exit 0 when its promise holds.
import * as lab from "./checks.mjs";
import * as commissioning from "./commissioning_checks.mjs";
import * as drones from "./drone_checks.mjs";
import * as fleet from "./fleet_checks.mjs";
import * as desk from "./desk_checks.mjs";
import * as model from "./model_checks.mjs";
import * as newcomer from "./newcomer_checks.mjs";
import * as desk_parts from "./part_desk_checks.mjs";
import * as scene_parts from "./part_scene_checks.mjs";
import { launch } from "./browser.mjs";

const [base, name] = process.argv.slice(2);
const checks = { ...lab, ...commissioning, ...desk, ...drones, ...fleet, ...model, ...newcomer, ...desk_parts, ...scene_parts };
const check = checks[name];
if (!base || !check) {
  console.error(`usage: node e2e/run.mjs BASE CHECK; checks: ${Object.keys(checks).join(" ")}`);
  process.exit(2);
}
const browser = await launch(base);
let failed = null;
try {
  await check(browser);
} catch (error) {
  failed = error;
}
await browser.close();
if (failed) console.error(failed.stack);
for (const fault of browser.faults) console.error(fault);
process.exit(failed || browser.faults.length ? 1 : 0);
