/** Bars: how full each core and each file system is. */

import { latest } from "../api/answers";
import { fill, h, setText } from "../dom/element";
import { formatValue, NOTHING } from "../format/units";
import { filesystems } from "./facts";
import { askNow, type Moment } from "./live";
import { card, type View } from "./views";

/** From this share on, a bar is drawn in the colour of a warning. */
const NEARLY_FULL = 0.9;

interface Meter {
  readonly name: string;
  readonly title: string;
  readonly share: number;
  readonly text: string;
  /** Whether it hurts to run out: a busy core is no trouble, a full disk is. */
  readonly limited: boolean;
}

/** A list of bars that keeps its rows, so that a bar glides to its next value. */
class Meters {
  readonly element: HTMLElement;
  #rows: { name: HTMLElement; text: HTMLElement; row: HTMLElement }[] = [];

  constructor(style: string) {
    this.element = h("ul", { class: `meters ${style}` });
  }

  draw(meters: readonly Meter[]): void {
    if (meters.length !== this.#rows.length) this.#build(meters.length);
    meters.forEach((meter, index) => {
      const { name, text, row } = this.#rows[index]!;
      const share = Math.min(1, Math.max(0, meter.share));
      setText(name, meter.name);
      setText(text, meter.text);
      row.title = meter.title;
      row.style.setProperty("--share", `${(share * 100).toFixed(1)}%`);
      row.classList.toggle("nearly-full", meter.limited && share >= NEARLY_FULL);
    });
  }

  #build(count: number): void {
    this.#rows = Array.from({ length: count }, () => {
      const name = h("span", { class: "meter-name" });
      const text = h("span", { class: "number" });
      const row = h(
        "li",
        { class: "meter" },
        name,
        text,
        h("span", { class: "meter-bar", "aria-hidden": "true" }),
      );
      return { name, text, row };
    });
    fill(this.element, ...this.#rows.map(({ row }) => row));
  }
}

const CORES = '1 - sum by (cpu) (rate(node_cpu_seconds_total{$host,mode="idle"}[$recent]))';

const HOST_FIGURES = [
  { title: "Processes", metric: "node_processes_pids" },
  { title: "Running now", metric: "node_procs_running" },
  { title: "Open files", metric: "node_filefd_allocated" },
];

export class CoresView implements View {
  readonly #meters = new Meters("meters-cores");
  readonly #figures = HOST_FIGURES.map(() => h("dd", { class: "number" }, NOTHING));
  readonly element = card("Per core", 4, [
    this.#meters.element,
    h(
      "dl",
      { class: "figures figures-host" },
      ...HOST_FIGURES.map(({ title }, index) => h("div", {}, h("dt", {}, title), this.#figures[index])),
    ),
  ]);

  relevant({ facts }: Moment): boolean {
    return facts.has("node_cpu_seconds_total");
  }

  async update(moment: Moment): Promise<void> {
    HOST_FIGURES.forEach(({ metric }, index) => {
      const figure = this.#figures[index]!;
      figure.parentElement!.hidden = !moment.facts.has(metric);
      setText(figure, formatValue(moment.facts.value(metric), "count"));
    });
    const { series } = await askNow(moment, CORES);
    const cores = series.map(({ labels, points }) => ({
      cpu: labels["cpu"] ?? "",
      share: points[0]?.[1] ?? 0,
    }));
    cores.sort((a, b) => a.cpu.localeCompare(b.cpu, "en", { numeric: true }));
    this.#meters.draw(
      cores.map(({ cpu, share }) => {
        const text = formatValue(Math.max(0, share), "ratio");
        return { name: `core ${cpu}`, title: `Core ${cpu}: ${text}`, share, text, limited: false };
      }),
    );
  }

  destroy(): void {
    this.element.remove();
  }
}

export class FilesystemsView implements View {
  readonly #meters = new Meters("meters-list");
  readonly element = card("File systems", 4, [this.#meters.element]);

  relevant({ facts }: Moment): boolean {
    return filesystems(facts).length > 0;
  }

  update({ facts }: Moment): Promise<void> {
    this.#meters.draw(
      filesystems(facts).map(({ mountpoint, device, used, size }) => ({
        name: mountpoint,
        title: `${device} on ${mountpoint}`,
        share: used / size,
        text: `${formatValue(used, "bytes")} of ${formatValue(size, "bytes")}`,
        limited: true,
      })),
    );
    return Promise.resolve();
  }

  destroy(): void {
    this.element.remove();
  }
}

/** Memory of each GPU as bars; its past is a chart. */
export class GpuMemoryView implements View {
  readonly #meters = new Meters("meters-list");
  readonly element = card("GPU memory now", 4, [this.#meters.element]);

  relevant({ facts }: Moment): boolean {
    return facts.has("gpu_memory_total_bytes") && facts.has("gpu_memory_used_bytes");
  }

  update({ facts }: Moment): Promise<void> {
    const used = new Map(
      facts.all("gpu_memory_used_bytes").map((series) => [series.labels["gpu"], latest(series) ?? 0]),
    );
    this.#meters.draw(
      facts.all("gpu_memory_total_bytes").map((series) => {
        const { gpu = "", name = "GPU" } = series.labels;
        const total = latest(series) ?? 0;
        const busy = used.get(gpu) ?? 0;
        const text = `${formatValue(busy, "bytes")} of ${formatValue(total, "bytes")}`;
        return {
          name: `${gpu} · ${name}`,
          title: `${name}: ${text}`,
          share: total > 0 ? busy / total : 0,
          text,
          limited: true,
        };
      }),
    );
    return Promise.resolve();
  }

  destroy(): void {
    this.element.remove();
  }
}
