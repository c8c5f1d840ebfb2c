import { useState } from "preact/hooks";
import * as access from "../api/access";
import { Failed, Skeleton } from "../components/notice";
import { t } from "../i18n";
import { useResource } from "../state/resource";
import { openSession, session } from "../state/session";
import { Alarm, Field } from "./gate";
import { when } from "./me";
import { ROLE_TEXT, ROLES, said } from "./words";

/** Everybody's account: roles, last use, disable, a one-time link for a new password. */
export function Users() {
  const [resource, reload] = useResource("users", access.users);
  const [link, setLink] = useState<access.User | null>(null);
  const [problem, setProblem] = useState("");
  const { data } = resource.value;
  const act = (work: Promise<access.User>) =>
    work.then(
      (user) => (setProblem(""), user.link && setLink(user), reload()),
      (error: unknown) => setProblem(said(error, "access.wrong")),
    );
  const first = session.value?.how === "local";
  return (
    <>
      <p class="muted">{first ? t("access.localAdd") : t("access.usersAbout")}</p>
      {resource.value.problem && !data && <Failed problem={resource.value.problem} retry={reload} />}
      {!data && !resource.value.problem && <Skeleton />}
      <Alarm text={problem} />
      {link && (
        <p class="panel access-secret" role="status">
          <span>{t("access.linkAbout", { name: link.name })}</span>
          <code>{link.link}</code>
        </p>
      )}
      {data && data.items.length > 0 && (
        <section class="panel flush table-frame" tabIndex={0} aria-label={t("access.users")}>
          <table>
            <thead>
              <tr>
                <th>{t("access.name")}</th>
                <th>{t("access.role")}</th>
                <th>{t("access.seen")}</th>
                <td />
              </tr>
            </thead>
            <tbody>
              {data.items.map((user) => (
                <tr key={user.name}>
                  <td>
                    <strong>{user.name}</strong> <span class="muted">{user.full_name}</span>
                    {user.disabled && <span class="muted"> · {t("access.disabled")}</span>}
                  </td>
                  <td>
                    <RoleChoice user={user} choose={(grants) => void act(access.changeUser(user.name, { grants }))} />
                  </td>
                  <td class="num">{when(user.seen)}</td>
                  <td class="access-deeds">
                    {!user.issuer && (
                      <button type="button" class="button" onClick={() => void act(access.linkUser(user.name))}>
                        {t("access.link")}
                      </button>
                    )}
                    <button type="button" class="button" onClick={() => void act(access.changeUser(user.name, { disabled: !user.disabled }))}>
                      {t(user.disabled ? "access.enable" : "access.disable")}
                    </button>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
      <NewUser first={first && !data?.items.length} add={(body) => act(access.addUser(body))} />
    </>
  );
}

/** One role for everywhere or for one building; several at once are given on the command line and shown as they are. */
function RoleChoice({ user, choose }: { user: access.User; choose: (grants: access.Grant[]) => void }) {
  const only = user.grants[0];
  if (user.grants.length !== 1 || user.issuer || !only) return <>{user.grants.map((one) => t(ROLE_TEXT[one.role]) + (one.facility === "*" ? "" : ` · ${one.facility}`)).join(", ")}</>;
  return (
    <span class="access-role">
      <select aria-label={t("access.role")} value={only.role} onChange={(event) => choose([{ ...only, role: event.currentTarget.value as access.Role }])}>
        {ROLES.map((role) => (
          <option key={role} value={role}>
            {t(ROLE_TEXT[role])}
          </option>
        ))}
      </select>
      {only.facility !== "*" && <span class="muted">{only.facility}</span>}
    </span>
  );
}

function NewUser({ first, add }: { first: boolean; add: (body: Parameters<typeof access.addUser>[0]) => Promise<unknown> }) {
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const text = (name: string) => String(new FormData(form).get(name) ?? "").trim();
    const grants: access.Grant[] = [{ role: first ? "admin" : (text("role") as access.Role), site: "*", facility: text("facility") || "*" }];
    const password = first ? String(new FormData(form).get("password")) : "";
    void add({ name: text("name"), full_name: text("full_name"), grants, password }).then(async () => {
      form.reset();
      if (first && !(await openSession())) location.assign("/");
    });
  };
  return (
    <section class="panel">
      <h2>{t("access.addUser")}</h2>
      <form class="access-form" onSubmit={submit}>
        <Field name="name" label={t("access.name")} pattern="[a-z0-9][a-z0-9._@\-]*" />
        <Field name="full_name" label={t("access.fullName")} optional />
        {first ? (
          <Field name="password" label={t("access.choosePassword")} type="password" complete="new-password" about={t("access.passwordAbout")} />
        ) : (
          <>
            <label class="access-field">
              <span>{t("access.role")}</span>
              <select name="role" defaultValue="viewer">
                {ROLES.map((role) => (
                  <option key={role} value={role}>
                    {t(ROLE_TEXT[role])}
                  </option>
                ))}
              </select>
            </label>
            <Field name="facility" label={t("access.buildings")} optional />
          </>
        )}
        <button type="submit" class="button primary">
          {t("access.add")}
        </button>
      </form>
    </section>
  );
}
