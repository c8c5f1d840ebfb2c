import { computed, effect, signal } from "@preact/signals";
import type { AlarmState, AlarmSummary } from "../api/alarm_types";
import { twinState } from "./link";

const NONE: AlarmSummary = { version: -1, counts: {}, watched: 0 };

/** What the twin last said of its alarms. */
export const alarmSummary = computed<AlarmSummary>(() => twinState.value?.alarms ?? NONE);
const count = (state: AlarmState) => alarmSummary.value.counts[state] ?? 0;
/** Alarms that nobody has seen yet. */
export const ringing = computed(() => count("unacknowledged") + count("returned"));

const KEPT = "aid4.alarm.sound";
/** Whether this screen calls people: kept for this browser. */
export const sound = signal(typeof localStorage !== "undefined" && localStorage.getItem(KEPT) === "on");

const EVERY_MS = 4_000;
const TONES_HZ = [880, 660];
const TONE_S = 0.16;

/** Two tones every few seconds while something rings, until it is acknowledged. */
export function followSound(): void {
  let timer: ReturnType<typeof setInterval> | undefined;
  let context: AudioContext | undefined;
  effect(() => localStorage.setItem(KEPT, sound.value ? "on" : "off"));
  effect(() => {
    clearInterval(timer);
    if (!sound.value || !ringing.value) return;
    const call = () => {
      context ??= new AudioContext();
      if (context.state === "running") for (const [at, hz] of TONES_HZ.entries()) tone(context, hz, context.currentTime + at * TONE_S * 1.3);
      else void context.resume();
    };
    call();
    timer = setInterval(call, EVERY_MS);
  });
}

function tone(context: AudioContext, hz: number, at: number): void {
  const [oscillator, gain] = [context.createOscillator(), context.createGain()];
  oscillator.frequency.value = hz;
  gain.gain.setValueAtTime(0, at);
  gain.gain.linearRampToValueAtTime(0.2, at + 0.01);
  gain.gain.linearRampToValueAtTime(0, at + TONE_S);
  oscillator.connect(gain).connect(context.destination);
  oscillator.start(at);
  oscillator.stop(at + TONE_S);
}
