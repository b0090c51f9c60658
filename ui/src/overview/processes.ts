/** The processes that use the most. */

import { latest, type Labels, type Series } from "../api/answers";
import { fill, h, setText } from "../dom/element";
import { formatValue, NOTHING } from "../format/units";
import { askNow, type Moment } from "./live";
import { card, type View } from "./views";

const MOST_ROWS = 10;

interface Process {
  readonly labels: Labels;
  cpu?: number;
  memory?: number;
}

/** Join the two rankings into one table, the busiest first. */
export function joinProcesses(cpu: readonly Series[], memory: readonly Series[]): Process[] {
  const found = new Map<string, Process>();
  const process = (labels: Labels): Process => {
    const key = `${labels["pid"]} ${labels["comm"]}`;
    const known = found.get(key) ?? { labels };
    found.set(key, known);
    return known;
  };
  for (const series of cpu) process(series.labels).cpu = latest(series)!;
  for (const series of memory) process(series.labels).memory = latest(series)!;
  return [...found.values()]
    .sort((a, b) => (b.cpu ?? 0) - (a.cpu ?? 0) || (b.memory ?? 0) - (a.memory ?? 0))
    .slice(0, MOST_ROWS);
}

export class ProcessesView implements View {
  readonly #rows = h("tbody");
  readonly element = card("Top processes", 12, [
    h(
      "table",
      { class: "table" },
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          h("th", {}, "Process"),
          h("th", { class: "number" }, "PID"),
          h("th", { class: "number" }, "CPU"),
          h("th", { class: "number" }, "Memory"),
        ),
      ),
      this.#rows,
    ),
  ]);
  readonly #none = h("tr", {}, h("td", { colspan: 4, class: "muted" }, "not on this machine"));

  relevant(): boolean {
    return true;
  }

  async update(moment: Moment): Promise<void> {
    const [cpu, memory] = await Promise.all([
      askNow(moment, `topk(${MOST_ROWS}, process_top_cpu_usage_ratio{$host})`),
      askNow(moment, `topk(${MOST_ROWS}, process_top_resident_memory_bytes{$host})`),
    ]);
    const processes = joinProcesses(cpu.series, memory.series);
    if (processes.length === 0) fill(this.#rows, this.#none);
    else fill(this.#rows, ...processes.map(row));
  }

  destroy(): void {
    this.element.remove();
  }
}

function row({ labels, cpu, memory }: Process): HTMLElement {
  const cell = (text: string): HTMLElement => h("td", { class: "number" }, text);
  const name = h("td", { class: "process-name" });
  setText(name, labels["comm"] ?? NOTHING);
  return h(
    "tr",
    {},
    name,
    cell(labels["pid"] ?? NOTHING),
    cell(formatValue(cpu, "ratio")),
    cell(formatValue(memory, "bytes")),
  );
}
