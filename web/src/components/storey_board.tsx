import type { TreeNode } from "../api/types";
import { t } from "../i18n";
import { placeName, placeOf, tree } from "../state/catalogue";
import type { Finding } from "../state/findings";
import { ConditionMark } from "./condition_mark";
import { Icon, typeIcon } from "./icon";
import { Link } from "./link";
import { countPoints } from "./tree_rows";

const STOREYS_MAX = 60;

/** Every storey with its spaces: grey where all is normal, the worst condition and how many where it is not. */
export function StoreyBoard({ findings }: { findings: readonly Finding[] }) {
  const storeys = storeysOf(tree.value?.roots ?? []).slice(0, STOREYS_MAX);
  if (!storeys.length) return null;
  const byPlace = groupByPlace(findings);
  return (
    <section class="panel board" aria-label={t("overview.places")}>
      {storeys.map((storey) => (
        <div key={storey.id} class="board-row">
          <h2>
            <Link to={{ view: "place", id: storey.id }}>{placeName(storey)}</Link>
          </h2>
          <ul class="chips">
            {storey.children.map((space) => (
              <Space key={space.id} node={space} found={byPlace.get(space.id) ?? []} />
            ))}
          </ul>
        </div>
      ))}
    </section>
  );
}

function Space({ node, found }: { node: TreeNode; found: readonly Finding[] }) {
  const worst = found[0];
  return (
    <li>
      <Link to={{ view: "place", id: node.id }} class={countPoints(node) ? "chip" : "chip chip-empty"}>
        {worst ? <ConditionMark condition={worst.condition} compact /> : <Icon name={typeIcon(node.type)} size={14} />}
        {placeName(node)}
        {found.length > 1 && <span class="count num">{found.length}</span>}
      </Link>
    </li>
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
