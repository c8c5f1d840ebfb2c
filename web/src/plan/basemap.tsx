import { useEffect, useRef, useState } from "preact/hooks";
import type { TileSet } from "../api/model_types";
import { t } from "../i18n";
import { site } from "../state/catalogue";
import { theme } from "../state/settings";
import "../styles/basemap.css";
import { degreesOf } from "./earth";
import type { Sheet } from "./sheet";

/** Under the map of the site: the tiles that the site ships, where it says where it lies. Their code comes with them. */
export function Basemap({ sheet, set }: { sheet: Sheet; set: TileSet }) {
  const host = useRef<HTMLDivElement>(null);
  const [problem, setProblem] = useState("");
  const facts = site.value?.basemap ?? null;
  const { origin, true_north_deg: north } = site.value?.frame ?? {};
  const placed = facts && origin && typeof north === "number";
  useEffect(() => {
    if (!placed) return;
    const model = { latitude: origin.latitude_deg, longitude: origin.longitude_deg, north };
    const anchor = { ...degreesOf(model, set.origin_m[0], set.origin_m[1]), north };
    let gone = false;
    let remove = () => {};
    const lay = async () => {
      const { layBasemap } = await import("./basemap_map");
      if (gone) return;
      const undo = await layBasemap(host.current!, sheet, facts, anchor, setProblem);
      if (gone) undo();
      else remove = undo;
    };
    lay().catch((error: unknown) => setProblem(String(error)));
    return () => {
      gone = true;
      remove();
    };
  }, [sheet, set, placed, facts?.url, theme.value]);
  if (!placed) return null;
  return (
    <>
      <div class="basemap" ref={host} aria-hidden="true" />
      {facts.attribution && <p class="basemap-credit">{facts.attribution}</p>}
      {problem && (
        <p class="basemap-credit" role="status">
          {t("map.basemapFailed", { text: problem })}
        </p>
      )}
    </>
  );
}
