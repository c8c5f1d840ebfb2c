import { useState } from "preact/hooks";
import * as access from "../api/access";
import { Failed, Skeleton } from "../components/notice";
import { t, type Key } from "../i18n";
import { useResource } from "../state/resource";
import { when } from "./me";

const PAGE = 200;
const RESULTS: [string, Key][] = [
  ["", "access.resultAll"],
  ["done", "access.resultDone"],
  ["refused", "access.resultRefused"],
  ["failed", "access.resultFailed"],
];

/** Who did what, newest first. */
export function Audit() {
  const [q, setQ] = useState("");
  const [result, setResult] = useState("");
  const [resource, reload] = useResource(`audit ${q} ${result}`, (signal) => access.audit({ q, result, limit: PAGE, offset: 0 }, signal));
  const { data, problem } = resource.value;
  return (
    <>
      <p class="muted">{t("access.auditAbout")}</p>
      <div class="access-filters">
        <input type="search" aria-label={t("access.what")} placeholder={t("access.what")} value={q} onInput={(event) => setQ(event.currentTarget.value)} />
        <div class="chips" role="group" aria-label={t("access.result")}>
          {RESULTS.map(([one, text]) => (
            <button key={one} type="button" class="chip" aria-pressed={one === result} onClick={() => setResult(one)}>
              {t(text)}
            </button>
          ))}
        </div>
      </div>
      {problem && !data && <Failed problem={problem} retry={reload} />}
      {!data && !problem && <Skeleton />}
      {data && (
        <section class="panel flush table-frame" tabIndex={0} aria-label={t("access.audit")}>
          <table class="audit">
            <thead>
              <tr>
                <th>{t("access.when")}</th>
                <th>{t("access.by")}</th>
                <th>{t("access.what")}</th>
                <th>{t("access.result")}</th>
              </tr>
            </thead>
            <tbody>
              {data.items.map((row) => (
                <tr key={`${row.at} ${row.what}`} data-result={row.result.split(" ")[0]}>
                  <td class="num">{when(row.at)}</td>
                  <td>{row.by}</td>
                  <td>
                    {row.what} <span class="muted">{short(row.detail)}</span>
                  </td>
                  <td>{row.result}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
    </>
  );
}

function short(detail: unknown): string {
  const text = JSON.stringify(detail) ?? "";
  return text.length > 160 ? `${text.slice(0, 160)}…` : text;
}
