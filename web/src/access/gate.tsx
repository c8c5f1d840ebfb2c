import { useEffect, useState } from "preact/hooks";
import * as access from "../api/access";
import { Icon } from "../components/icon";
import { t } from "../i18n";
import { LANGUAGE_NAMES, LANGUAGES } from "../i18n/languages";
import { session } from "../state/session";
import { language } from "../state/settings";
import { said } from "./words";
import "../styles/access.css";

/** Before the page: sign in, or use a one-time link. Afterwards the page is loaded anew, signed in. */
export default function Gate() {
  const code = location.pathname === "/welcome" ? location.hash.slice(1) : "";
  return (
    <main class="gate" id="main">
      <section class="panel gate-card">
        <header>
          <img src="/favicon.svg" alt="" width="32" height="32" />
          <h1>{code ? session.value?.title : t("access.signInTo", { site: session.value?.title ?? "AID4" })}</h1>
        </header>
        {code ? <Welcome code={code} /> : session.value?.first_run ? <p>{t("access.firstAsk")}</p> : <SignIn />}
      </section>
      <nav class="gate-languages" aria-label={t("settings.language")}>
        {LANGUAGES.map((one) => (
          <button key={one} type="button" class="button quiet" lang={one} aria-pressed={language.value === one} onClick={() => (language.value = one)}>
            {LANGUAGE_NAMES[one]}
          </button>
        ))}
      </nav>
    </main>
  );
}

const then = () => (["/welcome", "/sign-in"].includes(location.pathname) ? "/" : location.pathname + location.search);

function SignIn() {
  const now = session.value!;
  const [byToken, setByToken] = useState(!now.passwords && now.token);
  const [problem, setProblem] = useState(location.search.includes("failed=provider") ? t("access.failedProvider") : "");
  const [busy, setBusy] = useState(false);
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const text = (name: string) => String(form.get(name) ?? "");
    setBusy(true);
    access.signIn(byToken ? { token: text("token").trim() } : { name: text("name").trim(), password: text("password") }).then(
      () => location.replace(then()),
      (error: unknown) => (setProblem(said(error, "access.wrong")), setBusy(false)),
    );
  };
  return (
    <>
      <form class="access-form" onSubmit={submit}>
        {byToken ? (
          <Field name="token" label={t("access.token")} type="password" complete="current-password" />
        ) : (
          <>
            <Field name="name" label={t("access.yourName")} complete="username" />
            <Field name="password" label={t("access.password")} type="password" complete="current-password" />
          </>
        )}
        <Alarm text={problem} />
        <button type="submit" class="button primary" disabled={busy}>
          {t("access.signIn")}
        </button>
      </form>
      <div class="gate-ways">
        {now.providers.map((one) => (
          <a key={one.id} class="button" href={`/api/v1/session/oidc/${one.id}/start?then=${encodeURIComponent(then())}`}>
            {t("access.with", { name: one.title })}
          </a>
        ))}
        {now.token && now.passwords && !byToken && (
          <button type="button" class="button quiet" onClick={() => setByToken(true)}>
            {t("access.useToken")}
          </button>
        )}
      </div>
    </>
  );
}

function Welcome({ code }: { code: string }) {
  const [name, setName] = useState<string | null>(null);
  const [problem, setProblem] = useState("");
  useEffect(() => {
    access.lookAt(code).then(
      (seen) => setName(seen.name),
      (error: unknown) => setProblem(said(error, "access.lapsed")),
    );
  }, [code]);
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const text = (field: string) => String(form.get(field) ?? "");
    if (text("password") !== text("again")) return setProblem(t("access.twice"));
    access.welcome({ code, name: text("name").trim(), full_name: text("full_name").trim(), password: text("password") }).then(
      () => location.replace("/"),
      (error: unknown) => setProblem(said(error, "access.lapsed")),
    );
  };
  if (name === null) return <Alarm text={problem} />;
  return (
    <form class="access-form" onSubmit={submit}>
      <h2>{name ? t("access.signedInAs", { name }) : t("access.firstTitle")}</h2>
      {!name && (
        <>
          <p class="muted">{t("access.firstAbout")}</p>
          <Field name="name" label={t("access.yourName")} complete="username" pattern="[a-z0-9][a-z0-9._@\-]*" />
          <Field name="full_name" label={t("access.fullName")} complete="name" optional />
        </>
      )}
      <Field name="password" label={t("access.choosePassword")} type="password" complete="new-password" about={t("access.passwordAbout")} />
      <Field name="again" label={t("access.newTwice")} type="password" complete="new-password" />
      <Alarm text={problem} />
      <button type="submit" class="button primary">
        {t("access.setPassword")}
      </button>
    </form>
  );
}

interface FieldProps {
  name: string;
  label: string;
  type?: "text" | "password";
  complete?: string;
  about?: string;
  pattern?: string;
  optional?: boolean;
}

export function Field({ name, label, type = "text", complete = "off", about, pattern, optional = false }: FieldProps) {
  return (
    <label class="access-field">
      <span>{label}</span>
      <input {...(type === "password" ? { type } : { type: "text", pattern })} name={name} autoComplete={complete} required={!optional} maxLength={256} autoCapitalize="none" spellcheck={false} />
      {about && <small class="muted">{about}</small>}
    </label>
  );
}

export function Alarm({ text }: { text: string }) {
  return text ? (
    <p class="access-problem" role="alert">
      <Icon name="bad" size={14} />
      {text}
    </p>
  ) : null;
}
