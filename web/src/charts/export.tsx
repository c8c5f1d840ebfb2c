import { useRef, useState } from "preact/hooks";
import { TwinError } from "../api/http";
import { history, historyFile } from "../api/queries";
import type { Point } from "../api/types";
import { Icon } from "../components/icon";
import { t } from "../i18n";
import * as format from "../i18n/format";
import { unitText } from "../i18n/units";
import { deviceName, pointName, site, zone } from "../state/catalogue";
import { range } from "../state/time";
import { coloursOf } from "./axes";
import { csvOf } from "./csv";

const LINE_PX = 20;
const PAD_PX = 16;

/** What the charts show, to take along: every reading of the range as CSV, or the picture as it is. */
export function ExportBar({ points }: { points: readonly Point[] }) {
  const bar = useRef<HTMLDivElement>(null);
  const [problem, setProblem] = useState("");
  const csv = async () => {
    const { from, to } = range.peek();
    try {
      const { series } = await history(points.map((point) => point.id), from, to, 2, undefined, "raw");
      save(new Blob(["\uFEFF", csvOf(points, series)], { type: "text/csv" }), "csv");
      setProblem("");
    } catch (error) {
      setProblem(textOf(error));
    }
  };
  const parquet = async () => {
    const { from, to } = range.peek();
    try {
      save(await historyFile(points.map((point) => point.id), from, to), "parquet");
      setProblem("");
    } catch (error) {
      setProblem(textOf(error));
    }
  };
  const png = async () => {
    const host = bar.current?.closest<HTMLElement>(".charts");
    const blob = host && (await pictureOf(host, points));
    if (blob) save(blob, "png");
  };
  return (
    <div class="export" ref={bar}>
      {problem && <span role="alert">{problem}</span>}
      <button type="button" class="button" onClick={() => void csv()} title={t("export.csvHint")}>
        <Icon name="download" size={14} /> CSV
      </button>
      <button type="button" class="button" onClick={() => void parquet()} title={t("export.parquetHint")}>
        <Icon name="download" size={14} /> Parquet
      </button>
      <button type="button" class="button" onClick={() => void png()} title={t("export.pngHint")}>
        <Icon name="download" size={14} /> PNG
      </button>
    </div>
  );
}

const textOf = (error: unknown) => (error instanceof TwinError ? [error.problem.detail, error.problem.fix].filter(Boolean).join(": ") : String(error));

/** All charts under each other with their names and the range, in the colours of the page. */
function pictureOf(host: HTMLElement, points: readonly Point[]): Promise<Blob | null> {
  const charts = [...host.querySelectorAll(".plot canvas")] as HTMLCanvasElement[];
  const ratio = devicePixelRatio;
  const width = Math.max(...charts.map((canvas) => canvas.width)) / ratio + 2 * PAD_PX;
  const height = charts.reduce((sum, canvas) => sum + canvas.height / ratio + LINE_PX, 3 * PAD_PX + LINE_PX);
  const sheet = document.createElement("canvas");
  [sheet.width, sheet.height] = [width * ratio, height * ratio];
  const pen = sheet.getContext("2d")!;
  const colours = coloursOf(host);
  pen.scale(ratio, ratio);
  pen.fillStyle = colours.surface;
  pen.fillRect(0, 0, width, height);
  pen.font = "13px system-ui, sans-serif";
  pen.textBaseline = "middle";
  const { from, to } = range.peek();
  pen.fillStyle = colours.text;
  const name = site.peek()?.title ?? "";
  pen.fillText(`${name}   ${format.moment(from, zone.peek())} – ${format.moment(to, zone.peek())}  ${format.offset(to, zone.peek())}`, PAD_PX, PAD_PX + LINE_PX / 2);
  let top = 2 * PAD_PX + LINE_PX;
  for (const canvas of charts) {
    names(pen, canvas.closest(".chart"), points, colours.series, top);
    pen.drawImage(canvas, PAD_PX, top + LINE_PX, canvas.width / ratio, canvas.height / ratio);
    top += canvas.height / ratio + LINE_PX;
  }
  return new Promise((done) => sheet.toBlob(done, "image/png"));
}

function names(pen: CanvasRenderingContext2D, chart: Element | null, points: readonly Point[], colours: readonly string[], top: number): void {
  const ids = [...(chart?.querySelectorAll<HTMLAnchorElement>(".legend a") ?? [])].map((link) => Number(link.pathname.split("/").at(-1)));
  let left = PAD_PX;
  ids.forEach((id, i) => {
    const point = points.find((one) => one.id === id);
    if (!point) return;
    pen.fillStyle = colours[i % colours.length]!;
    const text = `${deviceName(point)}: ${pointName(point)}${point.unit ? ` [${unitText(point.unit)}]` : ""}`;
    pen.fillText(text, left, top + LINE_PX / 2);
    left += pen.measureText(text).width + PAD_PX;
  });
}

function save(blob: Blob, ending: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = `${site.peek()?.name || "aid4"}-${new Date(range.peek().to).toISOString().slice(0, 19).replaceAll(":", "")}.${ending}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
