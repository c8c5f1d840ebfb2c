import { useEffect, useState } from "preact/hooks";
import { Alarm } from "../access/gate";
import { said } from "../access/words";
import { logs } from "../api/fleet";
import { Dialog } from "../components/dialogs";
import { t } from "../i18n";

const FOLLOW_MS = 3_000;
const LINES_MAX = 1_000;
const LEVELS = ["debug", "info", "warning", "error"] as const;

/** The newest of a gateway's own log, and what comes while it is open. */
export default function LogDialog({ node, close }: { node: string; close: () => void }) {
  const [level, setLevel] = useState<(typeof LEVELS)[number]>("info");
  const [lines, setLines] = useState<string[] | null>(null);
  const [problem, setProblem] = useState("");
  useEffect(() => {
    let timer = 0;
    let gone = false;
    const read = (after: number | null) =>
      logs(node, level, after).then(
        (part) => {
          if (gone) return;
          setLines((before) => [...((after !== null && before) || []), ...part.lines].slice(-LINES_MAX));
          timer = window.setTimeout(() => void read(part.after), part.more ? 0 : FOLLOW_MS);
        },
        (error: unknown) => gone || setProblem(said(error, "access.wrong")),
      );
    setProblem("");
    void read(null);
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, [node, level]);
  return (
    <Dialog title={t("remote.logOf", { node })} close={close} wide>
      <label>
        {t("remote.level")}{" "}
        <select value={level} onChange={(event) => setLevel(event.currentTarget.value as typeof level)}>
          {LEVELS.map((one) => (
            <option key={one} value={one}>
              {one}
            </option>
          ))}
        </select>
      </label>
      <Alarm text={problem} />
      {lines && <pre class="remote-text" role="log">{lines.join("\n") || t("remote.logEmpty")}</pre>}
    </Dialog>
  );
}
