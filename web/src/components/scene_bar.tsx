import type { ComponentChildren } from "preact";
import { useEffect, useMemo } from "preact/hooks";
import type { StoreyInfo } from "../api/model_types";
import { t, type Key } from "../i18n";
import { className } from "../i18n/classes";
import { points } from "../state/catalogue";
import { scans } from "../state/flights";
import { route, scene, setScene, SHADES, type Shade } from "../state/route";
import { hasPlan } from "../state/schedule";
import { classesOf } from "../state/shading";
import { siteSheets, tiles } from "../state/tiles";
import { Icon } from "./icon";
import { Link } from "./link";

const SHADE_TEXT: Record<Shade, Key> = { material: "shade.material", value: "shade.value", condition: "shade.condition", plan: "shade.plan", verdict: "shade.verdict", deviation: "shade.deviation" };

/** Over the model and the plan alike: 3D or plan, one storey or all, colours by what; and the view's own tools. */
export function SceneBar({ storeys, shown, all = true, children }: { storeys: readonly StoreyInfo[]; shown?: string; all?: boolean; children?: ComponentChildren }) {
  const set = tiles.value.phase === "ready" ? tiles.value.set : null;
  const { shade, of, storey } = scene.value;
  const here = route.value.view;
  const known = points.value;
  const classes = useMemo(() => classesOf(known.values()), [known]);
  useEffect(() => {
    if (shade === "value" && !of && classes[0]) setScene({ of: classes[0] });
  }, [shade, of, classes]);
  const there: Partial<Record<Shade, boolean>> = { plan: hasPlan.value === true, verdict: scans.value.length > 0, deviation: scans.value.length > 0 && here === "model" };
  const shades = SHADES.filter((one) => there[one] !== false || shade === one);
  return (
    <div class="scene-bar" role="toolbar" aria-label={t("scene.tools")}>
      <nav class="segments" aria-label={t("scene.view")}>
        <Link to={{ view: "model", ...scene.value }} current={here === "model"}>
          {t("scene.model")}
        </Link>
        <Link to={{ view: "plan", ...scene.value }} current={here === "plan"}>
          {t("scene.plan")}
        </Link>
        {set && siteSheets(set).length > 0 && (
          <Link to={{ view: "map", ...scene.value }} current={here === "map"}>
            {t("scene.map")}
          </Link>
        )}
      </nav>
      {storeys.length > 0 && <label>
        <Icon name="storey" />
        <select aria-label={t("scene.storey")} value={shown ?? storey ?? ""} onChange={(event) => setScene({ storey: event.currentTarget.value || null })}>
          {all && <option value="">{t("scene.allStoreys")}</option>}
          {[...storeys]
            .sort((a, b) => b.elevation_m - a.elevation_m)
            .map((one) => (
              <option key={one.global_id} value={one.global_id}>
                {one.name}
              </option>
            ))}
        </select>
      </label>}
      <label>
        <Icon name="palette" />
        <select aria-label={t("scene.colours")} value={shade} onChange={(event) => setScene({ shade: event.currentTarget.value as Shade })}>
          {shades.map((one) => (
            <option key={one} value={one}>
              {t(SHADE_TEXT[one])}
            </option>
          ))}
        </select>
      </label>
      {shade === "value" && (
        <select aria-label={t("scene.quantity")} value={of ?? ""} onChange={(event) => setScene({ of: event.currentTarget.value })}>
          {classes.map((one) => (
            <option key={one} value={one}>
              {className(one)}
            </option>
          ))}
        </select>
      )}
      {children && <span class="scene-tools">{children}</span>}
    </div>
  );
}
