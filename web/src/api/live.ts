import type { Pose } from "./drone_types";
import type { ServerFrame, StateFrame, ValuesFrame } from "./types";

const BACKOFF_MS_MIN = 500;
const BACKOFF_MS_MAX = 15_000;
const PING_EVERY_MS = 5_000;
/** Nothing heard for this long: the socket is dead although nobody closed it (Wi-Fi gone, laptop slept). */
const SILENCE_MS_MAX = 12_000;

export type LinkState =
  | { phase: "connecting" }
  | { phase: "open" }
  | { phase: "lost"; since: number; retryAt: number };

export interface LiveEvents {
  link(state: LinkState): void;
  hello(nowMs: number, site: string): void;
  state(frame: StateFrame): void;
  values(frame: ValuesFrame): void;
  poses(items: readonly Pose[]): void;
}

/** The page's one socket: reconnects with backoff and jitter, renews the subscription, returns credits. */
export class LiveSocket {
  private socket: WebSocket | null = null;
  private wanted: string | null = null;
  private wantsPoses = false;
  private attempt = 0;
  private lostSince: number | null = null;
  private heardAt = 0;
  private retryTimer: ReturnType<typeof setTimeout> | undefined;
  private pingTimer: ReturnType<typeof setInterval> | undefined;

  constructor(
    private readonly url: string,
    private readonly events: LiveEvents,
    private readonly random: () => number = Math.random,
  ) {}

  open(): void {
    clearTimeout(this.retryTimer);
    if (this.lostSince === null) this.events.link({ phase: "connecting" });
    const socket = new WebSocket(this.url);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    this.heardAt = Date.now();
    socket.onopen = () => this.opened(socket);
    socket.onmessage = (event) => socket === this.socket && this.heard(event.data);
    socket.onclose = () => socket === this.socket && this.lost();
    clearInterval(this.pingTimer);
    this.pingTimer = setInterval(() => this.watch(), PING_EVERY_MS);
  }

  /** Try again at once (a person asked, or the browser says the network is back). */
  retry(): void {
    if (this.lostSince !== null) this.open();
  }

  close(): void {
    clearTimeout(this.retryTimer);
    clearInterval(this.pingTimer);
    const socket = this.socket;
    this.socket = null;
    socket?.close();
  }

  /** Replace what the page wants to see; sent again after every reconnect. */
  subscribe(view: string, points: readonly number[] | "all", rate_hz: number): void {
    this.wanted = JSON.stringify({ type: "subscribe", view, points, rate_hz, format: "json" });
    this.send(this.wanted);
  }

  /** Say where the drones are, or no longer; said again after every reconnect. */
  showPoses(on: boolean): void {
    this.wantsPoses = on;
    this.send(JSON.stringify({ type: "subscribe", poses: on }));
  }

  private opened(socket: WebSocket): void {
    if (socket !== this.socket) return;
    this.attempt = 0;
    this.lostSince = null;
    this.heardAt = Date.now();
    this.events.link({ phase: "open" });
    if (this.wanted) this.send(this.wanted);
    if (this.wantsPoses) this.showPoses(true);
  }

  private heard(data: unknown): void {
    this.heardAt = Date.now();
    if (typeof data !== "string") return;
    const frame = JSON.parse(data) as ServerFrame;
    if (frame.type === "values") {
      this.events.values(frame);
      this.send('{"type":"credit","n":1}');
    } else if (frame.type === "poses") this.events.poses(frame.items);
    else if (frame.type === "state") this.events.state(frame);
    else if (frame.type === "hello") this.events.hello(Date.parse(frame.now), frame.site);
  }

  private watch(): void {
    if (Date.now() - this.heardAt > SILENCE_MS_MAX) this.lost();
    else this.send('{"type":"ping"}');
  }

  private lost(): void {
    const dead = this.socket;
    this.socket = null;
    clearInterval(this.pingTimer);
    dead?.close();
    this.lostSince ??= Date.now();
    const wait = backoff(this.attempt++, this.random());
    this.events.link({ phase: "lost", since: this.lostSince, retryAt: Date.now() + wait });
    this.retryTimer = setTimeout(() => this.open(), wait);
  }

  private send(text: string): void {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(text);
  }
}

/** Milliseconds before try number `attempt`: doubling, half of it random so that many pages do not come back at once. */
export function backoff(attempt: number, random: number): number {
  const full = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** Math.min(attempt, 10));
  return full / 2 + (full / 2) * random;
}
