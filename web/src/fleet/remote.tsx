import { useState } from "preact/hooks";
import { lazyView } from "../components/lazy_view";
import { t } from "../i18n";
import { may } from "../state/session";

const Configuration = lazyView(() => import("./configuration"));
const Log = lazyView(() => import("./log"));

/** What may be looked at on a gateway from afar: its configuration and its log. */
export function RemoteRow({ node }: { node: string }) {
  const [open, setOpen] = useState<"" | "config" | "log">("");
  if (!may("change")) return null;
  return (
    <div class="node-trust-deeds">
      <button type="button" class="button" onClick={() => setOpen("config")}>
        {t("remote.config")}
      </button>
      <button type="button" class="button" onClick={() => setOpen("log")}>
        {t("remote.log")}
      </button>
      {open === "config" && <Configuration node={node} close={() => setOpen("")} />}
      {open === "log" && <Log node={node} close={() => setOpen("")} />}
    </div>
  );
}
