import { afterEach, beforeEach, expect, test, vi } from "vitest";
import * as time from "../src/state/time";

const NOW = Date.parse("2026-11-23T12:00:00Z");
const HOUR = 3_600_000;

beforeEach(() => {
  vi.useFakeTimers({ now: NOW });
  time.spanMs.value = HOUR;
  time.aheadMs.value = 0;
  time.goLive();
});
afterEach(() => vi.useRealTimers());

test("live shows now and the range that ends now", () => {
  expect(time.live.value).toBe(true);
  expect(time.range.value).toEqual({ from: NOW - HOUR, to: NOW });
});

test("stepping back leaves live and moves by a hundredth of the range", () => {
  time.step(-1);
  expect(time.mode.value).toBe("paused");
  expect(NOW - time.at.value).toBe(time.stepMs(HOUR));
});

test("an instant outside the range takes the range along", () => {
  time.seek(NOW - 3 * HOUR);
  expect(time.at.value).toBe(NOW - 3 * HOUR);
  expect(time.range.value).toEqual({ from: NOW - 3 * HOUR, to: NOW - 2 * HOUR });
});

test("now is live, and what lies ahead is shown as the future", () => {
  time.seek(NOW - HOUR / 2);
  time.seek(NOW + 1);
  expect(time.live.value).toBe(true);
  time.seek(NOW + 48 * HOUR);
  expect([time.live.value, time.future.value, time.at.value]).toEqual([false, true, NOW + 48 * HOUR]);
});

test("stepping up to now is live, unless the range reaches beyond", () => {
  time.seek(NOW - 10_000);
  time.step(1);
  expect(time.live.value).toBe(true);
  time.setHorizon(NOW - 100 * HOUR, NOW + 100 * HOUR);
  expect([time.live.value, time.range.value.to]).toEqual([true, NOW + 100 * HOUR]);
  time.step(1);
  expect([time.live.value, time.future.value]).toEqual([false, true]);
});

test("the slider catches now within one of its steps, a typed instant does not", () => {
  time.setHorizon(NOW - 1_000 * HOUR, NOW + 1_000 * HOUR);
  time.seek(NOW - HOUR);
  expect(time.live.value).toBe(false);
  time.scrub(NOW - HOUR);
  expect(time.live.value).toBe(true);
});

test("a loop begins again at the left end, in the past and in the future", () => {
  time.setHorizon(NOW - 10 * HOUR, NOW + 10 * HOUR);
  time.seek(NOW + 9.9 * HOUR);
  time.loop.value = true;
  time.speed.value = 600;
  time.play();
  time.tick(1_000);
  expect([time.mode.value, time.at.value]).toEqual(["playing", NOW - 10 * HOUR]);
  time.loop.value = false;
});

test("playing moves the instant at its speed and ends at the end of the range", () => {
  time.setRange(NOW - 3 * HOUR, NOW - 2 * HOUR);
  time.speed.value = 600;
  time.play();
  expect(time.at.value).toBe(NOW - 3 * HOUR);
  time.tick(1_000);
  expect(time.at.value).toBe(NOW - 3 * HOUR + 600_000);
  time.tick(10_000);
  expect([time.mode.value, time.at.value]).toEqual(["paused", NOW - 2 * HOUR]);
});

test("playing up to now becomes live", () => {
  time.play();
  time.speed.value = 600;
  time.tick(HOUR);
  expect(time.live.value).toBe(true);
});

test("zooming out after zooming in shows the range of before", () => {
  time.setRange(NOW - 2 * HOUR, NOW - HOUR);
  time.zoomTo(NOW - 1.6 * HOUR, NOW - 1.5 * HOUR);
  expect(time.range.value).toEqual({ from: NOW - 1.6 * HOUR, to: NOW - 1.5 * HOUR });
  time.zoomOut();
  expect(time.range.value).toEqual({ from: NOW - 2 * HOUR, to: NOW - HOUR });
});

test("the address holds the control, and gives it back", () => {
  time.setRange(NOW - 2 * HOUR, NOW - HOUR);
  time.seek(NOW - 1.25 * HOUR);
  const address = new URLSearchParams(time.toParams());
  const before = { range: time.range.value, at: time.at.value };
  time.goLive();
  time.fromParams(address);
  expect({ range: time.range.value, at: time.at.value }).toEqual(before);
  expect(time.mode.value).toBe("paused");
});

test.each(["from=x", "at=", "from=2026-11-23T13:00:00Z&to=2026-11-23T12:00:00Z", "span=-5"])("an address that makes no sense (%s) leaves live", (text) => {
  time.fromParams(new URLSearchParams(text));
  expect(time.live.value).toBe(true);
});

test("the twin's clock counts, not the browser's", () => {
  time.clockSkewMs.value = 90_000;
  time.goLive();
  expect(time.at.value).toBe(NOW + 90_000);
  time.clockSkewMs.value = 0;
});

test("a park that was just started fills the range, an old one keeps the hour", () => {
  time.fitSpan(NOW - 200_000);
  expect(time.spanMs.value).toBe(300_000);
  time.setSpan(HOUR);
  time.fitSpan(NOW - 50 * HOUR);
  expect(time.spanMs.value).toBe(HOUR);
});
