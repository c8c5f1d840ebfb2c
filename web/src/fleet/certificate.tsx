import { useState } from "preact/hooks";
import type { Certificate, NodeRow } from "../api/types";
import { Icon } from "../components/icon";
import { lazyView } from "../components/lazy_view";
import { t, type Key } from "../i18n";
import * as format from "../i18n/format";
import { zone } from "../state/catalogue";
import { may } from "../state/session";

const Enrol = lazyView(() => import("./enrol"));
const Revoke = lazyView(() => import("./revoke"));
const TEXT: Record<Certificate["state"], Key> = {
  valid: "node.certValid",
  expiring: "node.certExpiring",
  expired: "node.certExpired",
  revoked: "node.certRevoked",
  none: "node.certNone",
};
const ABNORMAL: ReadonlySet<Certificate["state"]> = new Set(["expiring", "expired", "revoked"]);

/** How a gateway proves who it is, until when, and what may be done about it. */
export function CertificateRow({ node, reload }: { node: NodeRow; reload: () => void }) {
  const [open, setOpen] = useState<"" | "enrol" | "revoke">("");
  const certificate = node.certificate;
  if (!certificate) return null;
  const { state, not_after: end, renew_at: renew, serial } = certificate;
  const time = end ? format.shortMoment(Date.parse(end), zone.value) : "–";
  const close = () => (setOpen(""), reload());
  return (
    <div class="node-trust" data-state={state} data-abnormal={ABNORMAL.has(state) || undefined}>
      <p title={serial ?? undefined}>
        <Icon name={ABNORMAL.has(state) ? "high" : "key"} size={14} />
        <span>
          {t("node.certificate")}: {t(TEXT[state], { time })}
        </span>
        {state === "valid" && renew && <span class="muted">{t("node.certRenews", { time: format.shortMoment(Date.parse(renew), zone.value) })}</span>}
      </p>
      {may("change") && state !== "none" && (
        <span class="node-trust-deeds">
          <button type="button" class="button" onClick={() => setOpen("enrol")}>
            {t("node.enrolAgain")}
          </button>
          {state !== "revoked" && (
            <button type="button" class="button" onClick={() => setOpen("revoke")}>
              {t("node.revoke")}
            </button>
          )}
        </span>
      )}
      {open === "enrol" && <Enrol node={node.node} close={close} />}
      {open === "revoke" && <Revoke node={node.node} close={close} done={reload} />}
    </div>
  );
}

/** The way in for a gateway that is not there yet. */
export function EnrolButton({ reload }: { reload: () => void }) {
  const [open, setOpen] = useState(false);
  if (!may("change")) return null;
  return (
    <>
      <button type="button" class="button" onClick={() => setOpen(true)}>
        <Icon name="plus" size={14} />
        {t("node.enrol")}
      </button>
      {open && <Enrol node="" close={() => (setOpen(false), reload())} />}
    </>
  );
}
