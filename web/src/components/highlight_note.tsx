import { t } from "../i18n";
import * as format from "../i18n/format";
import { clearHighlight, highlight } from "../state/highlight";
import { Icon } from "./icon";
import { Link } from "./link";

/** Whose elements stand out at the moment, and the way back. */
export function HighlightNote() {
  const { ids, name, task } = highlight.value;
  if (!ids.length) return null;
  return (
    <p class="legend-task">
      <Icon name="schedule" size={14} />
      <span>{task ? <Link to={{ view: "schedule", task }}>{name}</Link> : name}</span>
      <span class="count num">{format.number(ids.length)}</span>
      <button type="button" class="icon-button" aria-label={t("legend.clear")} title={t("legend.clear")} onClick={clearHighlight}>
        <Icon name="close" size={14} />
      </button>
    </p>
  );
}
