import { Icon } from "./icon";
import * as format from "../i18n/format";
import { t } from "../i18n";

/** The twin is still making the geometry: how far it is. */
export function BuildingNote({ share }: { share: number | null }) {
  return (
    <div class="notice" role="status">
      <Icon name="model" size={24} />
      <p class="notice-title">{t("model.building")}</p>
      <div class="muted">{t("model.buildingFix")}</div>
      <progress max={1} {...(share === null ? {} : { value: share })} aria-label={t("model.building")} />
      {share !== null && <p class="num muted">{format.percent(share)}</p>}
    </div>
  );
}
