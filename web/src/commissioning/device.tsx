import { useEffect, useState } from "preact/hooks";
import { TwinError } from "../api/http";
import { Icon } from "../components/icon";
import { Link } from "../components/link";
import { Needs } from "../components/needs";
import { Failed, Skeleton } from "../components/notice";
import { t, type Key } from "../i18n";
import * as format from "../i18n/format";
import { zone } from "../state/catalogue";
import { useResource } from "../state/resource";
import { may } from "../state/session";
import { Bar } from "./bar";
import * as calls from "./calls";
import { PointRow } from "./point";

const LIFE_TEXT: Record<calls.DeviceSheet["progress"]["lifecycle"], Key> = {
  planned: "verify.lifePlanned",
  installed: "verify.lifeInstalled",
  commissioned: "verify.lifeCommissioned",
  handed_over: "verify.lifeHandedOver",
};
const REFRESH_MS = 2_000;

/** One device in front of its cabinet: each point with its value now, and a thumb-sized way to say whether it is right. */
export function DevicePage({ device }: { device: string }) {
  const [resource, reload] = useResource(`commissioning of ${device}`, (signal) => calls.sheet(device, signal));
  const [told, setTold] = useState<calls.DeviceSheet | null>(null);
  const [problem, setProblem] = useState("");
  useEffect(() => {
    const timer = setInterval(() => document.hidden || reload(), REFRESH_MS);
    return () => clearInterval(timer);
  }, [reload]);
  useEffect(() => setTold(null), [resource.value.data]);
  const data = told ?? resource.value.data;
  if (!data) return resource.value.problem ? <Failed problem={resource.value.problem} retry={reload} /> : <Skeleton rows={6} />;
  const say = (points: Parameters<typeof calls.verify>[1]) =>
    calls.verify(data.progress.id, points).then(
      (sheet) => (setTold(sheet), setProblem("")),
      (error: unknown) => setProblem(error instanceof TwinError ? error.message : String(error)),
    );
  const { progress, points } = data;
  const open = points.filter((one) => !one.verified);
  return (
    <article class="faceplate commissioning">
      <header class="view-head">
        <nav class="breadcrumb" aria-label={t("place.where")}>
          <Link to={{ view: "commissioning", device: null }}>{t("view.commissioning")}</Link>
        </nav>
        <div class="view-title">
          <Icon name="device" size={20} />
          <h1>{progress.label}</h1>
        </div>
        <p class="muted facts">
          <span>{progress.device}</span>
          <span>{[progress.place.space_name, progress.place.storey_name].filter(Boolean).join(" · ")}</span>
          <span>{t(LIFE_TEXT[progress.lifecycle])}</span>
        </p>
        <Bar {...progress} />
      </header>
      {problem && (
        <p class="verify-problem" role="alert">
          {problem}
        </p>
      )}
      <Needs right="change">
        <p class="muted">{t("verify.how")}</p>
      </Needs>
      <ul class="verify-points">
        {points.map((point) => (
          <PointRow key={point.id} point={point} say={say} />
        ))}
      </ul>
      {may("change") && open.length > 1 && (
        <button type="button" class="button verify-rest" onClick={() => confirm(t("verify.restSure", { n: open.length })) && void say(open.map((one) => ({ point: one.id, verdict: "ok" })))}>
          <Icon name="check" size={16} />
          {t("verify.rest", { n: open.length })}
        </button>
      )}
      <details class="verify-code">
        <summary>{t("verify.code")}</summary>
        <img src={calls.codeUrl(progress.id)} alt={t("verify.codeOf", { device: progress.device })} width="220" height="220" />
        <p class="muted num">{format.moment(Date.now(), zone.value)}</p>
      </details>
    </article>
  );
}
