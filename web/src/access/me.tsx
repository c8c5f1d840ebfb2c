import { useState } from "preact/hooks";
import * as access from "../api/access";
import { Link } from "../components/link";
import { Failed, Skeleton } from "../components/notice";
import { t } from "../i18n";
import * as format from "../i18n/format";
import { zone } from "../state/catalogue";
import { useResource } from "../state/resource";
import { session, takeSession } from "../state/session";
import { Alarm, Field } from "./gate";
import { RIGHT_TEXT, said } from "./words";

const DAYS = [7, 30, 90, 365];

export function Me() {
  const now = session.value;
  if (!now) return <Skeleton />;
  if (now.how === "local")
    return (
      <section class="panel">
        <p>{t("access.local")}</p>
        <p>
          <Link to={{ view: "account", tab: "users" }} class="button primary">
            {t("access.localAdd")}
          </Link>
        </p>
      </section>
    );
  return (
    <>
      <Sessions />
      <Password />
      <Tokens />
    </>
  );
}

export const when = (text: string | null) => (text ? format.shortMoment(Date.parse(text), zone.value) : "–");

function Sessions() {
  const [resource, reload] = useResource("sessions", access.sessions);
  const { data, problem } = resource.value;
  const end = (id: string) => void access.endSession(id).finally(reload);
  return (
    <section class="panel">
      <h2>{t("access.sessions")}</h2>
      <p class="muted">{t("access.sessionsAbout")}</p>
      {problem && !data && <Failed problem={problem} retry={reload} />}
      {data && (
        <div class="table-frame" tabIndex={0} role="region" aria-label={t("access.sessions")}>
          <table>
            <thead>
              <tr>
                <th>{t("access.agent")}</th>
                <th>{t("access.address")}</th>
                <th>{t("access.created")}</th>
                <th>{t("access.seen")}</th>
                <td />
              </tr>
            </thead>
            <tbody>
              {data.items.map((one) => (
                <tr key={one.id}>
                  <td class="access-agent">{one.here ? t("access.here") : one.agent}</td>
                  <td class="num">{one.address}</td>
                  <td class="num">{when(one.since)}</td>
                  <td class="num">{when(one.seen)}</td>
                  <td>
                    {!one.here && (
                      <button type="button" class="button" onClick={() => end(one.id)}>
                        {t("access.endSession")}
                      </button>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {data && data.items.length > 1 && (
        <button type="button" class="button" onClick={() => end("others")}>
          {t("access.endOthers")}
        </button>
      )}
    </section>
  );
}

function Password() {
  const [told, setTold] = useState("");
  const [problem, setProblem] = useState("");
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const text = (name: string) => String(new FormData(form).get(name) ?? "");
    setTold("");
    if (text("new") !== text("again")) return setProblem(t("access.twice"));
    access.newPassword(text("old"), text("new")).then(
      (now) => (takeSession(now), setProblem(""), setTold(t("access.passwordSet")), form.reset()),
      (error: unknown) => setProblem(said(error, "access.wrong")),
    );
  };
  return (
    <section class="panel">
      <h2>{t("access.changePassword")}</h2>
      <form class="access-form" onSubmit={submit}>
        <Field name="old" label={t("access.oldPassword")} type="password" complete="current-password" />
        <Field name="new" label={t("access.newPassword")} type="password" complete="new-password" about={t("access.passwordAbout")} />
        <Field name="again" label={t("access.newTwice")} type="password" complete="new-password" />
        <Alarm text={problem} />
        {told && <p role="status">{told}</p>}
        <button type="submit" class="button primary">
          {t("access.changePassword")}
        </button>
      </form>
    </section>
  );
}

function Tokens() {
  const [resource, reload] = useResource("tokens", access.tokens);
  const [made, setMade] = useState<access.ApiToken | null>(null);
  const [problem, setProblem] = useState("");
  const rights = session.value?.rights ?? [];
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const fields = new FormData(form);
    access.makeToken(String(fields.get("name")), fields.getAll("scope").map(String) as access.Right[], Number(fields.get("days"))).then(
      (token) => (setMade(token), setProblem(""), form.reset(), reload()),
      (error: unknown) => setProblem(said(error, "access.wrong")),
    );
  };
  const live = resource.value.data?.items.filter((one) => !one.revoked) ?? [];
  return (
    <section class="panel">
      <h2>{t("access.tokens")}</h2>
      <p class="muted">{t("access.tokenAbout")}</p>
      <form class="access-form" onSubmit={submit}>
        <Field name="name" label={t("access.name")} />
        <fieldset class="access-checks">
          {rights.map((right) => (
            <label key={right}>
              <input type="checkbox" name="scope" value={right} defaultChecked={right === "view"} />
              <span>{t(RIGHT_TEXT[right])}</span>
            </label>
          ))}
        </fieldset>
        <label class="access-field">
          <span>{t("access.days")}</span>
          <select name="days" defaultValue="90">
            {DAYS.map((days) => (
              <option key={days} value={days}>
                {days}
              </option>
            ))}
          </select>
        </label>
        <Alarm text={problem} />
        <button type="submit" class="button">
          {t("access.tokenMake")}
        </button>
      </form>
      {made?.secret && (
        <p class="access-secret" role="status">
          <code>{made.secret}</code>
          <span class="muted">{t("access.tokenOnce")}</span>
        </p>
      )}
      <ul class="access-list">
        {live.map((one) => (
          <li key={one.id}>
            <span>
              <strong>{one.name}</strong> <span class="muted">{one.scopes.map((scope) => t(RIGHT_TEXT[scope])).join(", ")}</span>
            </span>
            <span class="num muted">
              {t("access.expires")} {when(one.expires)}
            </span>
            <button type="button" class="button" onClick={() => void access.revokeToken(one.id).finally(reload)}>
              {t("access.revoke")}
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
