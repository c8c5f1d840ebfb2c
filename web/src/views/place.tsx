import * as queries from "../api/queries";
import type { ElementDetail, Point, TreeNode } from "../api/types";
import { Bindings } from "../components/bindings";
import { Icon, typeIcon } from "../components/icon";
import { Link } from "../components/link";
import { Empty, Failed, Skeleton } from "../components/notice";
import { PlaceCard } from "../components/place_card";
import { Properties } from "../components/properties";
import { Tiles } from "../components/tiles";
import { TrendAll } from "../components/value_tile";
import { countPoints } from "../components/tree_rows";
import { t } from "../i18n";
import { placeName, places, points as catalogue, type Place } from "../state/catalogue";
import { byInterest } from "../state/headlines";
import { useResource } from "../state/resource";

/** The faceplate of a space, a storey or any other element: its points, what hangs below it, how it was found, what it is. */
export function PlaceView({ id }: { id: string }) {
  const [resource, reload] = useResource(`element ${id}`, (signal) => queries.element(id, signal));
  const { data, problem } = resource.value;
  const place = places.value.get(id);
  if (problem && !data) return <Failed problem={problem} retry={reload} />;
  if (!data) return <Skeleton tiles rows={6} />;
  return <Faceplate element={data} place={place} />;
}

function Faceplate({ element, place }: { element: ElementDetail; place: Place | undefined }) {
  const known = catalogue.value;
  const own = uniquePoints(element.points, place?.node.points ?? [], known);
  const points = byInterest(own.length ? own : uniquePoints([], place ? pointsBelow(place.node) : [], known));
  const children = place?.node.children ?? [];
  return (
    <article class="faceplate">
      <header class="view-head">
        <Breadcrumb place={place} />
        <div class="view-title">
          <Icon name={typeIcon(element.type)} size={20} />
          <h1>{element.long_name || element.name || element.id}</h1>
          <TrendAll points={points} />
        </div>
        <p class="muted facts">
          {element.long_name && element.name !== element.long_name && <span>{element.name}</span>}
          <span>{element.type}</span>
          <span>{t("count.points", { n: points.length })}</span>
        </p>
      </header>
      <Spaces nodes={children.filter(isPlace)} />
      {points.length ? (
        <>
          {!own.length && <h2>{t("place.allBelow")}</h2>}
          <Tiles points={points} />
        </>
      ) : (
        <Empty icon="unbound" title={t("place.noPoints")}>
          {t("place.noPointsFix")}
        </Empty>
      )}
      <Below nodes={children.filter((node) => !isPlace(node))} />
      {own.length > 0 && <Bindings points={own} />}
      <Properties element={element} />
    </article>
  );
}

export function Breadcrumb({ place }: { place: Place | undefined }) {
  if (!place?.parents.length) return null;
  return (
    <nav class="breadcrumb" aria-label={t("place.where")}>
      {place.parents.map((parent) => (
        <Link key={parent.id} to={{ view: "place", id: parent.id }}>
          {placeName(parent)}
        </Link>
      ))}
    </nav>
  );
}

const isPlace = ({ type }: TreeNode) => /^Ifc(Site|Building|BuildingStorey|Space|Zone)$/.test(type);

/** The places inside with their live values: a building's storeys, a storey's spaces. */
function Spaces({ nodes }: { nodes: readonly TreeNode[] }) {
  if (!nodes.length) return null;
  return (
    <ul class="cards" aria-label={t("place.below")}>
      {nodes.map((node) => (
        <PlaceCard key={node.id} node={node} />
      ))}
    </ul>
  );
}

/** The devices and other elements inside. */
function Below({ nodes }: { nodes: readonly TreeNode[] }) {
  if (!nodes.length) return null;
  return (
    <section class="panel">
      <h2>{t("place.below")}</h2>
      <ul class="chips">
        {nodes.map((child) => (
          <li key={child.id}>
            <Link to={{ view: "place", id: child.id }} class="chip">
              <Icon name={typeIcon(child.type)} />
              {placeName(child)}
              {countPoints(child) > 0 && <span class="count num">{countPoints(child)}</span>}
            </Link>
          </li>
        ))}
      </ul>
    </section>
  );
}


function pointsBelow(node: Place["node"]): number[] {
  return [...node.points, ...node.children.flatMap(pointsBelow)];
}

function uniquePoints(own: readonly Point[], ids: readonly number[], known: ReadonlyMap<number, Point>): Point[] {
  const found = new Map(own.map((point) => [point.id, point]));
  for (const id of ids) {
    const point = known.get(id);
    if (point && !found.has(id)) found.set(id, point);
  }
  return [...found.values()];
}
