import { signal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import * as api from "../api/drones";
import type { Upload, UploadState } from "../api/drone_types";
import { TwinError } from "../api/http";
import type { Problem } from "../api/types";
import { Icon } from "../components/icon";
import { Link } from "../components/link";
import { t, type Key } from "../i18n";
import * as format from "../i18n/format";
import { zone } from "../state/catalogue";
import { loadFlights } from "../state/flights";
import { fromLocalInput } from "../state/zoned_input";

const ASK_MS = 1_000;
const KEPT_MAX = 30;
const ENDED: readonly UploadState[] = ["done", "refused", "failed"];
const STATE: Record<UploadState, Key> = {
  receiving: "upload.receiving",
  queued: "upload.queued",
  reading: "upload.reading",
  registering: "upload.registering",
  judging: "upload.judging",
  done: "upload.done",
  refused: "upload.refused",
  failed: "upload.failed",
};

/** One file on its way: being sent, worked on by the twin, or what came of it. */
interface Sent {
  key: number;
  name: string;
  share: number;
  upload: Upload | null;
  problem: Partial<Problem> | null;
}

const sent = signal<readonly Sent[]>([]);
let keys = 0;

const patch = (key: number, change: Partial<Sent>) => (sent.value = sent.value.map((one) => (one.key === key ? { ...one, ...change } : one)));
const isOpen = (one: Sent) => !one.problem && (!one.upload || !ENDED.includes(one.upload.state));

/** Files dropped or chosen: several at once belong together (a cloud with its station table, a log with its photos). */
export function DropZone() {
  const [over, setOver] = useState(false);
  const [taken, setTaken] = useState("");
  const input = useRef<HTMLInputElement>(null);
  const start = (files: readonly File[]) => void take(files, taken ? fromLocalInput(taken, zone.value) : null);
  useFollowed();
  return (
    <section
      class="drop-zone"
      data-over={over || undefined}
      aria-label={t("upload.title")}
      onDragOver={(event) => (event.preventDefault(), setOver(true))}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        start([...(event.dataTransfer?.files ?? [])]);
      }}
    >
      <div class="drop-row">
        <Icon name="upload" size={20} />
        <p>
          <strong>{t("upload.drop")}</strong>
          <span class="muted">{t("upload.kinds")}</span>
        </p>
        <label class="drop-taken">
          <span class="muted">{t("upload.taken")}</span>
          <input type="datetime-local" value={taken} onInput={(event) => setTaken(event.currentTarget.value)} />
        </label>
        <button type="button" class="button" onClick={() => input.current?.click()}>
          {t("upload.choose")}
        </button>
        <input
          ref={input}
          type="file"
          multiple
          hidden
          onChange={(event) => {
            start([...(event.currentTarget.files ?? [])]);
            event.currentTarget.value = "";
          }}
        />
      </div>
      {sent.value.length > 0 && (
        <ul class="sent-list">
          {sent.value.map((one) => (
            <SentRow key={one.key} one={one} />
          ))}
        </ul>
      )}
    </section>
  );
}

function SentRow({ one }: { one: Sent }) {
  const { upload } = one;
  const problem = one.problem ?? upload?.problem ?? null;
  const state = problem && !upload ? "failed" : (upload?.state ?? "receiving");
  const share = upload ? upload.progress : one.share;
  return (
    <li data-state={state}>
      <span class="sent-name">{one.name}</span>
      <span class="sent-state" role="status">
        {state === "done" ? <Icon name="ok" size={14} /> : (state === "refused" || state === "failed") && <Icon name="bad" size={14} />}
        {t(STATE[state])}
        {!ENDED.includes(state) && <span class="num muted"> {format.percent(share)}</span>}
      </span>
      {!ENDED.includes(state) ? <progress max={1} value={share} aria-label={one.name} /> : <span />}
      <span class="sent-ways">
        {upload?.flight && (
          <Link class="button" to={{ view: "flights", id: upload.flight, scan: false }}>
            {t("flights.flight")}
          </Link>
        )}
        {upload?.scan && (
          <Link class="button" to={{ view: "flights", id: upload.scan, scan: true }}>
            {t("scan.scan")}
          </Link>
        )}
        {(ENDED.includes(state) || one.problem) && (
          <button type="button" class="icon-button" aria-label={t("upload.forget", { name: one.name })} onClick={() => (sent.value = sent.value.filter((other) => other.key !== one.key))}>
            <Icon name="close" size={14} />
          </button>
        )}
      </span>
      {problem && !upload?.reasons?.some((reason) => reason.fix) && (
        <p class="sent-why" role="alert">
          {[problem.detail ?? (problem as { problem?: string }).problem ?? problem.title].filter(Boolean).join("")} {problem.fix && t("error.fix", { fix: problem.fix })}
        </p>
      )}
      {(upload?.reasons ?? []).map((reason) => (
        <p key={reason.code} class="sent-why" data-code={reason.code} role="alert">
          {reason.text} {reason.fix && <strong>{t("error.fix", { fix: reason.fix })}</strong>}
        </p>
      ))}
    </li>
  );
}

/** Send files one after the other; with more than one the work begins when all are there. */
async function take(files: readonly File[], at: number | null): Promise<void> {
  if (!files.length) return;
  const group = files.length > 1 ? crypto.randomUUID() : null;
  const rows = files.map((file): [File, Sent] => [file, { key: ++keys, name: file.name, share: 0, upload: null, problem: null }]);
  sent.value = [...rows.map(([, row]) => row), ...sent.value].slice(0, KEPT_MAX);
  let whole = true;
  for (const [file, { key }] of rows) {
    try {
      patch(key, { upload: await api.send(file, group, at === null ? null : new Date(at).toISOString(), (share) => patch(key, { share })) });
    } catch (error) {
      whole = false;
      patch(key, { problem: error instanceof TwinError ? error.problem : { title: String(error) } });
    }
  }
  if (group && (whole || rows.length > 1)) await api.commit(group).catch((error: unknown) => patch(rows[0]![1].key, { problem: error instanceof TwinError ? error.problem : { title: String(error) } }));
}

/** Ask how far the twin is with what was sent, until each has ended. */
function useFollowed(): void {
  useEffect(() => {
    let asking = false;
    const ask = async () => {
      const open = sent.peek().filter((one) => isOpen(one) && one.upload);
      if (asking || !open.length) return;
      asking = true;
      for (const { key, upload } of open) {
        const next = await api.upload(upload!.id).catch(() => null);
        if (next) patch(key, { upload: next });
        if (next && ENDED.includes(next.state)) void loadFlights();
      }
      asking = false;
    };
    const timer = setInterval(() => void ask(), ASK_MS);
    return () => clearInterval(timer);
  }, []);
}
