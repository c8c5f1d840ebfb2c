import * as access from "../api/access";
import { Dialog, closeDialog } from "../components/dialogs";
import { Icon, type IconName } from "../components/icon";
import { Link } from "../components/link";
import { t, type Key } from "../i18n";
import type { Route } from "../state/route";
import { may, session } from "../state/session";
import { ROLE_TEXT } from "./words";
import "../styles/access.css";

const WAYS: { to: Route; text: Key; icon: IconName; right: access.Right }[] = [
  { to: { view: "shift" }, text: "view.shift", icon: "log", right: "view" },
  { to: { view: "commissioning", device: null }, text: "view.commissioning", icon: "check", right: "view" },
  { to: { view: "reports" }, text: "view.reports", icon: "report", right: "view" },
  { to: { view: "explore" }, text: "view.explore", icon: "explore", right: "ask" },
  { to: { view: "account", tab: "me" }, text: "access.account", icon: "people", right: "view" },
  { to: { view: "account", tab: "users" }, text: "access.users", icon: "key", right: "administer" },
  { to: { view: "account", tab: "audit" }, text: "access.audit", icon: "check", right: "administer" },
];

/** Who sits here, and the views that are not needed every minute. */
export default function Menu() {
  const now = session.value;
  const leave = () => void access.signOut().then(() => location.assign("/"));
  return (
    <Dialog title={t("access.menu")}>
      {now && (
        <p class="menu-who">
          <Icon name="people" size={20} />
          <span>
            <strong>{now.how === "local" ? t("access.local") : t("access.signedInAs", { name: now.full_name || now.name })}</strong>
            {now.how === "session" && <span class="muted">{now.grants.map((one) => t(ROLE_TEXT[one.role]) + (one.facility === "*" ? "" : ` · ${one.facility}`)).join(", ")}</span>}
          </span>
        </p>
      )}
      <nav class="menu-ways" aria-label={t("access.menu")} onClick={closeDialog}>
        {WAYS.filter((one) => may(one.right)).map((one) => (
          <Link key={one.text} to={one.to} class="menu-way">
            <Icon name={one.icon} />
            {t(one.text)}
          </Link>
        ))}
      </nav>
      {now?.how === "session" && (
        <button type="button" class="button" onClick={leave}>
          {t("access.signOut")}
        </button>
      )}
    </Dialog>
  );
}
