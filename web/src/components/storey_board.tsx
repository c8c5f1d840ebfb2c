import type { TreeNode } from "../api/types";
import { t } from "../i18n";
import { placeName, placeOf, tree } from "../state/catalogue";
import type { Finding } from "../state/findings";
import { Icon, typeIcon } from "./icon";
import { Link } from "./link";
import { PlaceCard } from "./place_card";
import { countPoints } from "./tree_rows";

const STOREYS_MAX = 60;
const SPACES_MAX = 120;
/** More places than this without a point are folded away. */
const EMPTY_SHOWN_MAX = 8;

/** Every storey, the highest first, with its spaces: up to three live values each, and what is abnormal in shape and words. */
export function StoreyBoard({ findings }: { findings: readonly Finding[] }) {
  const storeys = storeysOf(tree.value?.roots ?? []).filter((storey) => storey.children.length).slice(0, STOREYS_MAX);
  if (!storeys.length) return null;
  const byPlace = groupByPlace(findings);
  return (
    <section class="board" aria-label={t("overview.places")}>
      {storeys.map((storey) => (
        <Storey key={storey.id} storey={storey} byPlace={byPlace} />
      ))}
    </section>
  );
}

function Storey({ storey, byPlace }: { storey: TreeNode; byPlace: ReadonlyMap<string, readonly Finding[]> }) {
  const measured = storey.children.filter((space) => countPoints(space));
  const empty = storey.children.filter((space) => !countPoints(space));
  return (
    <div class="board-row">
      <h2>
        <Link to={{ view: "place", id: storey.id }}>{placeName(storey)}</Link>
      </h2>
      {measured.length > 0 && (
        <ul class="cards">
          {measured.slice(0, SPACES_MAX).map((space) => (
            <PlaceCard key={space.id} node={space} found={byPlace.get(space.id) ?? []} />
          ))}
        </ul>
      )}
      {empty.length > EMPTY_SHOWN_MAX ? (
        <details class="board-empty">
          <summary>{t("overview.withoutPoints", { n: empty.length })}</summary>
          <Empties nodes={empty.slice(0, SPACES_MAX)} />
        </details>
      ) : (
        empty.length > 0 && <Empties nodes={empty} />
      )}
    </div>
  );
}

function Empties({ nodes }: { nodes: readonly TreeNode[] }) {
  return (
    <ul class="chips">
      {nodes.map((node) => (
        <li key={node.id}>
          <Link to={{ view: "place", id: node.id }} class="chip chip-empty">
            <Icon name={typeIcon(node.type)} size={14} />
            {placeName(node)}
          </Link>
        </li>
      ))}
    </ul>
  );
}

function storeysOf(nodes: readonly TreeNode[]): TreeNode[] {
  return nodes.flatMap((node) => (node.type === "IfcBuildingStorey" ? [node] : storeysOf(node.children)));
}

/** Findings come worst first, and stay so below each place; an element's count for its space too. */
function groupByPlace(findings: readonly Finding[]): Map<string, Finding[]> {
  const groups = new Map<string, Finding[]>();
  for (const one of findings) {
    const place = placeOf(one.point);
    for (const node of place ? [place.node, ...place.parents] : []) {
      const group = groups.get(node.id);
      if (group) group.push(one);
      else groups.set(node.id, [one]);
    }
  }
  return groups;
}
