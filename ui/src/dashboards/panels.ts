/** The views that a dashboard is made of. */

import { queryInstant } from "../api/client";
import { latest, type Series } from "../api/answers";
import { LiveRange } from "../api/live";
import type { Grid } from "../api/lines";
import { Legend } from "../chart/legend";
import { seriesToken } from "../chart/palette";
import { Plot, type Curve } from "../chart/plot";
import { fill, h } from "../dom/element";
import { spellExplore, type TimeRange } from "../explore/state";
import { ResultTable } from "../explore/table";
import { formatValue, unitOfNames, type Unit } from "../format/units";
import { explain } from "../shell/problem";
import { expandTime, nameLine, thresholdToken, type Panel, type Target } from "./model";

/** What a panel needs to show itself. */
export interface Moment {
  readonly grid: Grid;
  readonly range: TimeRange;
  readonly signal: AbortSignal;
}

const ROW_PX = 30;
/** What the head and the legend of a chart take of its height. */
const FRAME_PX = 120;
const LOWEST_CHART_PX = 110;
const DEFAULT_ROWS = 9;
/** More lines cannot be told apart. */
const MOST_LINES = 60;
const MOST_VALUES = 50;

interface Body {
  readonly element: HTMLElement;
  update(moment: Moment, expand: (expr: string) => string): Promise<void>;
  destroy(): void;
}

/** A panel with its frame; it says itself what is wrong with its queries. */
export class PanelView {
  readonly element: HTMLElement;
  readonly #panel: Panel;
  readonly #body: Body;
  readonly #problem = h("p", { class: "message message-error", role: "alert", hidden: true });
  readonly #link: HTMLAnchorElement;
  #moment: Moment | undefined;

  constructor(panel: Panel) {
    this.#panel = panel;
    this.#body = createBody(panel);
    this.#link = h(
      "a",
      { class: "card-link", href: "/explore", "aria-label": `Explore: ${panel.title}` },
      "Explore",
    );
    for (const event of ["pointerenter", "focus", "click"])
      this.#link.addEventListener(event, () => this.#spell());
    this.#link.hidden = panel.targets.length === 0;
    this.element = h(
      "section",
      { class: `card panel panel-${panel.type}`, "aria-label": panel.title, style: place(panel) },
      h("header", { class: "card-head" }, h("h3", {}, panel.title), this.#link),
      this.#problem,
      this.#body.element,
    );
  }

  /** Ask again; raises nothing but what concerns the whole page. */
  async update(moment: Moment): Promise<void> {
    this.#moment = moment;
    try {
      await this.#body.update(moment, (expr) => this.#expand(expr, moment));
      this.#problem.hidden = true;
    } catch (error) {
      if (moment.signal.aborted) return;
      if (error instanceof Error && "unreachable" in error && error.unreachable) throw error;
      this.#problem.hidden = false;
      fill(this.#problem, explain(error));
    }
  }

  destroy(): void {
    this.#body.destroy();
  }

  #expand(expr: string, { grid }: Moment): string {
    return expandTime(expr, grid.step, grid.end - grid.start);
  }

  #spell(): void {
    const moment = this.#moment;
    if (!moment) return;
    const queries = this.#panel.targets.map(({ expr }) => this.#expand(expr, moment));
    const tab = this.#panel.type === "timeseries" ? "graph" : "table";
    this.#link.href = `/explore?${spellExplore({ queries, tab, range: moment.range })}`;
  }
}

function place({ gridPos }: Panel): string {
  if (!gridPos) return "";
  const { x, y, w, h: rows } = gridPos;
  return `--x:${x + 1};--y:${y + 1};--w:${Math.min(w, 24 - x)};--h:${rows}`;
}

function createBody(panel: Panel): Body {
  switch (panel.type) {
    case "timeseries":
      return new ChartBody(panel);
    case "table":
      return new TableBody(panel.targets);
    case "text":
      return textBody(panel.text);
    default:
      return new ValuesBody(panel);
  }
}

function textBody(text: string): Body {
  const paragraphs = text.split(/\n{2,}/).map((paragraph) => h("p", {}, paragraph));
  return {
    element: h("div", { class: "panel-text" }, ...paragraphs),
    update: () => Promise.resolve(),
    destroy: () => undefined,
  };
}

class ChartBody implements Body {
  readonly element = h("div", {});
  readonly #panel: Panel;
  readonly #ranges: LiveRange[];
  readonly #note = h("p", { class: "muted graph-note" });
  #unit: Unit | undefined;
  #plot: Plot | undefined;
  #legend: Legend | undefined;
  #curves: Curve[] = [];
  #grid: Grid = { start: 0, end: 1, step: 1 };

  constructor(panel: Panel) {
    this.#panel = panel;
    this.#ranges = panel.targets.map(() => new LiveRange());
  }

  async update({ grid, signal }: Moment, expand: (expr: string) => string): Promise<void> {
    const { targets, unit } = this.#panel;
    const found = await Promise.all(
      targets.map(({ expr }, index) => this.#ranges[index]!.update(expand(expr), grid, signal)),
    );
    const lines = found.flatMap((all, index) => all.map((line) => ({ line, target: targets[index]! })));
    this.#grid = grid;
    this.#curves = lines.slice(0, MOST_LINES).map(({ line, target }, order) => ({
      ...line,
      key: `${target.expr} ${line.key}`,
      name: nameLine(target.legend, line.labels, target.expr),
      color: seriesToken(order),
      order,
    }));
    this.#build(unit || unitOfNames(lines.map(({ line }) => line.labels["__name__"] ?? "")));
    fill(
      this.#note,
      lines.length === 0
        ? "No series in this time range."
        : lines.length > MOST_LINES && `Showing ${MOST_LINES} of ${lines.length} series.`,
    );
    this.#draw();
  }

  destroy(): void {
    this.#plot?.destroy();
  }

  #build(unit: Unit): void {
    if (unit === this.#unit) return;
    this.#unit = unit;
    this.#plot?.destroy();
    const { title, min, max, gridPos } = this.#panel;
    this.#plot = new Plot({
      label: title,
      unit,
      height: Math.max(LOWEST_CHART_PX, (gridPos?.h ?? DEFAULT_ROWS) * ROW_PX - FRAME_PX),
      group: "dashboard",
      ...(min === null ? {} : { min }),
      ...(max === null ? {} : { max }),
    });
    this.#legend = new Legend(unit, () => this.#draw());
    fill(this.element, this.#plot.element, this.#note, this.#legend.element);
  }

  #draw(): void {
    this.#legend?.draw(this.#curves);
    this.#plot?.draw(this.#grid, this.#legend?.visible(this.#curves) ?? []);
  }
}

class TableBody implements Body {
  readonly #table = new ResultTable();
  readonly #targets: readonly Target[];
  readonly element = this.#table.element;

  constructor(targets: readonly Target[]) {
    this.#targets = targets;
  }

  async update({ grid, signal }: Moment, expand: (expr: string) => string): Promise<void> {
    const answers = await Promise.all(
      this.#targets.map(async ({ expr }) => ({
        query: expr,
        answer: await queryInstant(expand(expr), { time: grid.end, signal }),
      })),
    );
    this.#table.draw(answers);
  }

  destroy(): void {
    this.element.remove();
  }
}

interface Value {
  readonly name: string;
  readonly metric: string;
  readonly value: number;
}

/** Numbers as they stand now: large (`stat`), on a scale (`gauge`), or beside each other (`bar`). */
class ValuesBody implements Body {
  readonly element: HTMLElement;
  readonly #panel: Panel;

  constructor(panel: Panel) {
    this.#panel = panel;
    this.element = h("div", { class: panel.type === "stat" ? "stats" : "meters-list panel-meters" });
  }

  async update({ grid, signal }: Moment, expand: (expr: string) => string): Promise<void> {
    const { targets, type } = this.#panel;
    const answers = await Promise.all(
      targets.map(({ expr }) => queryInstant(expand(expr), { time: grid.end, signal })),
    );
    const values = answers.flatMap(({ series }, index) => toValues(series, targets[index]!));
    if (type === "bar") values.sort((a, b) => b.value - a.value);
    const unit = this.#panel.unit || unitOfNames(values.map(({ metric }) => metric));
    const shown = values.slice(0, MOST_VALUES);
    const draw = type === "stat" ? this.#stat : this.#meter;
    fill(
      this.element,
      ...shown.map((value) => draw.call(this, value, unit, shown)),
      values.length === 0 && h("p", { class: "muted" }, "No value at this time."),
      values.length > MOST_VALUES &&
        h("p", { class: "muted" }, `Showing ${MOST_VALUES} of ${values.length} values.`),
    );
  }

  destroy(): void {
    this.element.remove();
  }

  #stat({ name, value }: Value, unit: Unit, all: readonly Value[]): HTMLElement {
    return h(
      "div",
      { class: "stat", style: this.#color(value, "text") },
      h("span", { class: "stat-value number" }, formatValue(value, unit)),
      all.length > 1 && h("span", { class: "muted stat-name", title: name }, name),
    );
  }

  #meter({ name, value }: Value, unit: Unit, all: readonly Value[]): HTMLElement {
    const low = this.#panel.min ?? 0;
    const natural = unit === "ratio" ? 1 : unit === "percent" ? 100 : undefined;
    const largest = Math.max(...all.map((one) => one.value), low + Number.EPSILON);
    const high = this.#panel.max ?? (this.#panel.type === "gauge" ? (natural ?? largest) : largest);
    const share = Math.min(1, Math.max(0, (value - low) / (high - low)));
    return h(
      "div",
      { class: "meter", style: `--share:${share * 100}%;${this.#color(value, "series-1")}` },
      h("span", { class: "meter-name", title: name }, name),
      h("span", { class: "number" }, formatValue(value, unit)),
      h("span", { class: "meter-bar" }),
    );
  }

  #color(value: number, otherwise: string): string {
    return `--value:var(--${thresholdToken(this.#panel.thresholds, value) ?? otherwise})`;
  }
}

function toValues(series: readonly Series[], { legend, expr }: Target): Value[] {
  return series.map((one) => ({
    name: nameLine(legend, one.labels, expr),
    metric: one.labels["__name__"] ?? "",
    value: latest(one) ?? NaN,
  }));
}
