import { Bindings } from "../components/bindings";
import { Icon } from "../components/icon";
import { Link } from "../components/link";
import { Empty, Skeleton } from "../components/notice";
import { Tiles } from "../components/tiles";
import { TrendAll } from "../components/value_tile";
import { t } from "../i18n";
import { deviceName, points as catalogue, tree } from "../state/catalogue";

/** The faceplate of a device: everything it says, and where each of its points was bound. */
export function DeviceView({ node, device }: { node: string; device: string }) {
  const entry = tree.value?.devices.find((one) => one.node === node && one.device === device);
  const points = (entry?.points ?? []).flatMap((id) => catalogue.value.get(id) ?? []);
  if (!tree.value || (entry && !points.length)) return <Skeleton tiles rows={6} />;
  if (!entry)
    return (
      <Empty icon="device" title={t("device.unknown", { device })}>
        {t("device.unknownFix")}
      </Empty>
    );
  return (
    <article class="faceplate">
      <header class="view-head">
        <nav class="breadcrumb" aria-label={t("place.where")}>
          <Link to={{ view: "nodes" }}>{node}</Link>
        </nav>
        <div class="view-title">
          <Icon name="device" size={20} />
          <h1>{points[0] ? deviceName(points[0]) : device}</h1>
          <TrendAll points={points} />
        </div>
        <p class="muted facts">
          <span>{device}</span>
          <span>{t("count.points", { n: points.length })}</span>
        </p>
      </header>
      <Tiles points={points} device={false} />
      <Bindings points={points} />
    </article>
  );
}
