import { useEffect, useState } from "preact/hooks";
import * as queries from "../api/models";
import type { ModelRow, Stage } from "../api/models";
import { TwinError } from "../api/http";
import { Icon } from "../components/icon";
import { Needs } from "../components/needs";
import { t, type Key } from "../i18n";
import * as format from "../i18n/format";
import { zone } from "../state/catalogue";
import { useResource } from "../state/resource";

const REFRESH_MS = 10_000;
const STAGES: readonly Stage[] = ["shadow", "canary", "live"];
const STAGE_TEXT: Record<Stage, Key> = { shadow: "model.shadow", canary: "model.canary", live: "model.live" };

/** Trained models on their way to the nodes: which version, how far, what each node tells, and the way back. */
export function Rollouts() {
  const [resource, reload] = useResource("models", queries.models);
  useEffect(() => {
    const timer = setInterval(() => document.hidden || reload(), REFRESH_MS);
    return () => clearInterval(timer);
  }, [reload]);
  const items = resource.value.data?.items ?? [];
  if (!items.length) return null;
  return (
    <section class="rollouts" aria-label={t("model.rollouts")}>
      <h2>{t("model.rollouts")}</h2>
      {resource.value.data?.problem && (
        <p class="why" role="alert">
          <Icon name="bad" size={14} />
          {resource.value.data.problem}
        </p>
      )}
      {items.map((model) => (
        <ModelCard key={model.id} model={model} done={reload} />
      ))}
    </section>
  );
}

function ModelCard({ model, done }: { model: ModelRow; done: () => void }) {
  const { rollout, nodes } = model;
  const [problem, setProblem] = useState("");
  const act = (work: Promise<unknown>) => work.then(() => (setProblem(""), done()), (error: unknown) => setProblem(error instanceof TwinError ? error.message : String(error)));
  return (
    <section class="panel node model-card" data-model={model.id}>
      <header class="node-head">
        <h3>{model.id}</h3>
        <span class="muted num">{rollout ? t("model.version", { version: rollout.version }) : t("model.notRolledOut", { n: model.versions.length })}</span>
      </header>
      {rollout && (
        <>
          <ol class="stages" aria-label={t("model.stage")}>
            {STAGES.map((stage) => (
              <li key={stage} aria-current={stage === rollout.stage ? "step" : undefined}>
                {t(STAGE_TEXT[stage])}
              </li>
            ))}
          </ol>
          <p class="muted">
            {rollout.since && t("chart.since", { time: format.shortMoment(Date.parse(rollout.since), zone.value) })}
            {rollout.verdict && ` · ${rollout.verdict.why}`}
          </p>
          {nodes.length > 0 && (
            <div class="table-frame">
              <table class="stacked">
                <thead>
                  <tr>
                    <th>{t("view.nodes")}</th>
                    <th>{t("node.state")}</th>
                    <th>{t("node.why")}</th>
                  </tr>
                </thead>
                <tbody>
                  {nodes.map((one) => (
                    <tr key={one.node}>
                      <td data-label={t("view.nodes")}>{one.node}</td>
                      <td data-label={t("node.state")}>{one.state || "–"}</td>
                      <td data-label={t("node.why")} data-empty={!one.problem || undefined} class="muted">{one.problem || "–"}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          )}
          <Needs right="change">
            <div class="panel-links">
            {rollout.stage !== "live" && (
              <button type="button" class="button" onClick={() => void act(queries.promote(model.id))}>
                <Icon name="forward" size={14} />
                {t("model.promote")}
              </button>
            )}
            <button type="button" class="button" onClick={() => void act(queries.rollBack(model.id))}>
              <Icon name="back" size={14} />
              {rollout.before ? t("model.backTo", { version: rollout.before }) : t("model.takeOff")}
            </button>
            </div>
          </Needs>
        </>
      )}
      {problem && <p role="alert" class="command-problem">{problem}</p>}
    </section>
  );
}
