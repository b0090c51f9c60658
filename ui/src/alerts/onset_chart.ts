/** What an alert's expression gave around its onset, beside the threshold it is compared with. */

import type { Labels } from "../api/answers";
import { queryRange, serverNow } from "../api/client";
import { alignedGrid, gridLength, toLines, type Grid, type Line } from "../api/lines";
import { Legend } from "../chart/legend";
import { seriesToken } from "../chart/palette";
import { Plot, type Curve } from "../chart/plot";
import { fill, h, setText } from "../dom/element";
import { chooseStep, spellExplore } from "../explore/state";
import { spellDuration } from "../format/time";
import { explain } from "../shell/problem";
import { conditionOf, type Alert, type AlertingRule } from "./model";
import { webLink } from "./parts";
import { splitComparison } from "./threshold";

/** Time before the onset that the chart shows at least, in seconds. */
const BEFORE = 1800;
const MOST_LINES = 20;
const HEIGHT = 260;

export class OnsetChart {
  readonly #head = h("div", { class: "group-head" });
  readonly #plot = new Plot({
    label: "The alert's expression around its onset",
    unit: "number",
    height: HEIGHT,
  });
  readonly #legend = new Legend("number", () =>
    this.#plot.draw(this.#grid, this.#legend.visible(this.#curves)),
  );
  readonly #note = h("p", { class: "muted graph-note" });
  readonly #drawing = h("div", {}, this.#plot.element, this.#note, this.#legend.element);
  readonly element = h(
    "section",
    { class: "card", "aria-label": "Expression", hidden: true },
    this.#head,
    this.#drawing,
  );
  #grid: Grid = { start: 0, end: 1, step: 1 };
  #curves: Curve[] = [];

  destroy(): void {
    this.#plot.destroy();
  }

  /** Ask for the expression of `rule` around the onset of `alert`, or over the last hour without one. */
  async refresh(rule: AlertingRule, alert: Alert | undefined, signal: AbortSignal): Promise<void> {
    this.element.hidden = false;
    const condition = conditionOf(rule);
    this.#drawing.hidden = condition !== null;
    if (condition) {
      this.#drawHead(rule, conditionLink(condition, alert?.labels));
      return;
    }
    const now = serverNow();
    const span = Math.max(2 * BEFORE, alert ? (now - alert.since) * 1.25 + BEFORE : 0);
    const href = `/explore?${spellExplore({ queries: [rule.query], range: { kind: "relative", span: Math.ceil(span / 600) * 600 } })}`;
    this.#drawHead(rule, h("a", { href }, "Explore"));
    const grid = alignedGrid(now, span, chooseStep(span, null));
    const comparison = splitComparison(rule.query);
    const expr = comparison?.expr ?? rule.query;
    try {
      const all = toLines((await queryRange(expr, grid, signal)).series, grid);
      this.#choose(all, expr, grid, alert);
    } catch (error) {
      if (signal.aborted) throw error;
      setText(this.#note, explain(error));
      return;
    }
    if (comparison && this.#curves.length > 0)
      this.#curves.push(thresholdCurve(comparison.op, comparison.threshold, grid));
    this.#legend.draw(this.#curves);
    this.#plot.mark(alert?.since ?? null);
    this.#plot.draw(grid, this.#legend.visible(this.#curves));
  }

  /** Show the lines that the alert may have been found on, or all where none can be told apart. */
  #choose(all: readonly Line[], expr: string, grid: Grid, alert: Alert | undefined): void {
    const own = alert ? all.filter((line) => belongs(line, alert.labels)) : all;
    const lines = own.length > 0 ? own : all;
    const shown = lines.slice(0, MOST_LINES);
    this.#grid = grid;
    this.#curves = shown.map((line, order) => ({
      ...line,
      name: spellPairs(line.labels) || expr,
      color: seriesToken(order),
      order,
    }));
    setText(
      this.#note,
      lines.length === 0
        ? "The expression gives nothing over this time."
        : lines.length > MOST_LINES
          ? `Showing ${MOST_LINES} of ${lines.length} series.`
          : "",
    );
  }

  #drawHead({ query, duration, keepFiringFor }: AlertingRule, link: HTMLElement): void {
    const shape = JSON.stringify([query, duration, keepFiringFor, link.outerHTML]);
    if (this.#head.dataset["shape"] === shape) return;
    this.#head.dataset["shape"] = shape;
    fill(
      this.#head,
      h("code", { class: "rule-query" }, query),
      duration > 0 && h("span", { class: "muted" }, `for ${spellDuration(duration)}`),
      keepFiringFor > 0 && h("span", { class: "muted" }, `kept firing for ${spellDuration(keepFiringFor)}`),
      link,
    );
  }
}

/** What there is to read of a search, which PromQL cannot chart. */
function conditionLink(condition: "logs" | "traces", labels: Labels = {}): HTMLElement {
  const service = labels["service"] ?? labels["service_name"];
  const what = condition === "logs" ? "log records" : "spans";
  if (condition === "logs" && service !== undefined) {
    const params = new URLSearchParams({ service, since: "1h", limit: "200" });
    return webLink(`/api/veriscope/v1/logs?${params}`, `Last log records of ${service} (JSON)`);
  }
  return h("span", { class: "muted" }, `A search of ${what} has no chart.`);
}

/** Whether a line may be what the alert was found on: no label says otherwise. */
function belongs({ labels }: Line, alert: Labels): boolean {
  return Object.entries(labels).every(
    ([name, value]) => name === "__name__" || alert[name] === undefined || alert[name] === value,
  );
}

function thresholdCurve(op: string, value: number, grid: Grid): Curve {
  const values = new Array<number>(gridLength(grid)).fill(value);
  const name = `${op} ${value}`;
  // The second round of colours is dashed, which tells the limit from what is measured.
  return { key: `threshold ${name}`, labels: {}, values, name, color: "bad", order: 10 };
}

/** Labels as a person reads them: `host=a, path=/`. */
export const spellPairs = (labels: Labels): string =>
  Object.entries(labels)
    .filter(([name]) => name !== "__name__")
    .map(([name, value]) => `${name}=${value}`)
    .join(", ");
