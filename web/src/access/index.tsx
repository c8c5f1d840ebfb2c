import { Icon } from "../components/icon";
import { Link } from "../components/link";
import { t, type Key } from "../i18n";
import type { AccountTab } from "../state/route";
import { may } from "../state/session";
import { Audit } from "./audit";
import { Me } from "./me";
import { Users } from "./users";
import "../styles/access.css";

const TABS: [AccountTab, Key][] = [
  ["me", "access.account"],
  ["users", "access.users"],
  ["audit", "access.audit"],
];

/** One's own account, and for admins everybody's and the audit. */
export default function AccountView({ tab }: { tab: AccountTab }) {
  const shown = may("administer") ? tab : "me";
  return (
    <article class="faceplate access">
      <header class="view-head">
        <div class="view-title">
          <Icon name="people" size={20} />
          <h1>{t(TABS.find(([one]) => one === shown)![1])}</h1>
        </div>
        {may("administer") && (
          <nav class="chips" aria-label={t("access.menu")}>
            {TABS.map(([one, text]) => (
              <Link key={one} to={{ view: "account", tab: one }} class="chip" current={one === shown}>
                {t(text)}
              </Link>
            ))}
          </nav>
        )}
      </header>
      {shown === "me" ? <Me /> : shown === "users" ? <Users /> : <Audit />}
    </article>
  );
}
