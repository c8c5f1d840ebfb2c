import { useEffect, useState } from "preact/hooks";
import { TwinError } from "../api/http";
import * as queries from "../api/queries";
import type { CommandRow, PointDetail, Problem, Value } from "../api/types";
import { t, type Key } from "../i18n";
import * as format from "../i18n/format";
import { unitText } from "../i18n/units";
import { pointName, zone } from "../state/catalogue";
import { useResource } from "../state/resource";
import { goLive, live } from "../state/time";
import { cell } from "../state/values";
import { Icon, type IconName } from "./icon";
import { Needs } from "./needs";

type Commanded = number | boolean | string;
const FOLLOW_MS = 500;
const SHOWN = 5;
const STATUS: Record<CommandRow["status"], { text: Key; icon: IconName; condition: string; final: boolean }> = {
  sent: { text: "command.sent", icon: "stale", condition: "stale", final: false },
  accepted: { text: "command.accepted", icon: "stale", condition: "stale", final: false },
  done: { text: "command.done", icon: "ok", condition: "ok", final: true },
  refused: { text: "command.refused", icon: "bad", condition: "bad", final: true },
  failed: { text: "command.failed", icon: "bad", condition: "bad", final: true },
  expired: { text: "command.expired", icon: "bad", condition: "bad", final: true },
};

/** A point that can be commanded: choose, confirm, send, and what became of the last ones: who, when, result. */
export function CommandPanel({ point }: { point: PointDetail }) {
  const [log, reload] = useResource(`commands ${point.key}`, (signal) => queries.commands(point.key, SHOWN, signal));
  const [problem, setProblem] = useState<Problem | null>(null);
  const items = log.value.data?.items ?? [];
  const open = items.some((item) => !STATUS[item.status]?.final);
  useEffect(() => {
    if (!open) return;
    const timer = setTimeout(reload, FOLLOW_MS);
    return () => clearTimeout(timer);
  }, [open, log.value]);
  const send = async (value: Commanded) => {
    try {
      await queries.command(point.key, value);
      setProblem(null);
    } catch (error) {
      setProblem(error instanceof TwinError ? error.problem : { title: String(error), status: 0 });
    }
    reload();
  };
  return (
    <section class="panel command">
      <h2>{t("command.title")}</h2>
      {live.value ? (
        <Needs right="command">
          <CommandForm point={point} send={send} />
        </Needs>
      ) : (
        <p class="muted">
          {t("command.onlyLive")}{" "}
          <button type="button" class="button" onClick={goLive}>
            {t("time.backToLive")}
          </button>
        </p>
      )}
      {problem && (
        <p class="command-problem" role="alert">
          <Icon name="bad" size={14} /> {problem.detail ?? problem.title} {problem.fix && t("error.fix", { fix: problem.fix })}
        </p>
      )}
      {items.length > 0 && <CommandLog items={items} unit={point.unit} />}
    </section>
  );
}

function CommandForm({ point, send }: { point: PointDetail; send: (value: Commanded) => Promise<void> }) {
  const [text, setText] = useState("");
  const [asked, setAsked] = useState<Commanded | null>(null);
  const now = cell(point.id).value?.v ?? null;
  if (asked !== null)
    return (
      <div class="command-row" role="alertdialog" aria-label={t("command.title")}>
        <p>
          {t("command.confirm", { name: pointName(point), value: withUnit(shown(asked), point.unit) })}{" "}
          <span class="muted">{t("command.now", { value: withUnit(format.value(now), point.unit) })}</span>
        </p>
        <button type="button" class="button primary" ref={(button) => button?.focus()} onClick={() => (setAsked(null), setText(""), void send(asked))}>
          <Icon name="command" />
          {t("command.send")}
        </button>
        <button type="button" class="button" onClick={() => setAsked(null)}>
          {t("command.cancel")}
        </button>
      </div>
    );
  const wanted = parsed(point, text);
  return (
    <form
      class="command-row"
      onSubmit={(event) => {
        event.preventDefault();
        if (wanted !== null) setAsked(wanted);
      }}
    >
      <label>
        <span class="visually-hidden">{t("command.value")}</span>
        <ValueField point={point} text={text} setText={setText} />
      </label>
      {point.unit && <span class="muted">{unitText(point.unit)}</span>}
      <button type="submit" class="button" disabled={wanted === null}>
        {t("command.set")}
      </button>
    </form>
  );
}

function ValueField({ point, text, setText }: { point: PointDetail; text: string; setText: (text: string) => void }) {
  const choices = choicesOf(point);
  if (choices)
    return (
      <select value={text} onChange={(event) => setText(event.currentTarget.value)}>
        <option value="">–</option>
        {choices.map((one) => (
          <option key={one} value={one}>
            {point.declared === "bool" ? t(one === "true" ? "answer.on" : "answer.off") : one}
          </option>
        ))}
      </select>
    );
  const onInput = (event: { currentTarget: HTMLInputElement }) => setText(event.currentTarget.value);
  if (!isNumber(point)) return <input type="text" value={text} onInput={onInput} />;
  const { low, high } = point;
  const hint = low !== null && high !== null ? `${format.value(low)} … ${format.value(high)}` : "";
  return <input type="number" step="any" min={low ?? undefined} max={high ?? undefined} placeholder={hint} value={text} onInput={onInput} />;
}

function CommandLog({ items, unit }: { items: readonly CommandRow[]; unit: string }) {
  return (
    <table class="stacked">
      <caption class="visually-hidden">{t("command.log")}</caption>
      <thead>
        <tr>
          <th>{t("command.when")}</th>
          <th class="numeric">{t("column.value")}</th>
          <th>{t("command.by")}</th>
          <th>{t("command.result")}</th>
        </tr>
      </thead>
      <tbody>
        {items.map((item) => {
          const status = STATUS[item.status];
          return (
            <tr key={item.id}>
              <td class="num" data-label={t("command.when")}>
                {format.moment(Date.parse(item.issued), zone.value)}
              </td>
              <td class="numeric num" data-label={t("column.value")}>
                {withUnit(shown(item.value), unit)}
              </td>
              <td data-label={t("command.by")}>{item.by}</td>
              <td data-label={t("command.result")}>
                <span class="condition" data-condition={status.condition}>
                  <Icon name={status.icon} size={14} />
                  {t(status.text)}
                </span>{" "}
                {item.status !== "done" && <span class="muted">{item.detail}</span>}
              </td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

const isNumber = ({ declared }: PointDetail) => !["bool", "text", "enum"].includes(declared);

function choicesOf(point: PointDetail): string[] | null {
  if (point.declared === "bool") return ["true", "false"];
  const values = point.meta["values"];
  return !isNumber(point) && Array.isArray(values) ? values.map(String) : null;
}

function parsed(point: PointDetail, text: string): Commanded | null {
  if (!text.trim()) return null;
  if (point.declared === "bool") return text === "true";
  if (!isNumber(point)) return text;
  const number = Number(text);
  return Number.isFinite(number) ? number : null;
}

const shown = (value: Commanded): string => (typeof value === "boolean" ? t(value ? "answer.on" : "answer.off") : format.value(value as Value));
const withUnit = (text: string, unit: string) => `${text} ${unitText(unit)}`.trim();
