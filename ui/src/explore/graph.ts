/** The answers of all queries on one time chart. */

import { spellLabels } from "../api/answers";
import type { Grid, Line } from "../api/lines";
import { Legend } from "../chart/legend";
import { seriesToken } from "../chart/palette";
import { Plot, type Curve } from "../chart/plot";
import { fill, h } from "../dom/element";
import { unitOfNames, type Unit } from "../format/units";

/** More lines than this cannot be told apart, and slow the page down. */
export const MOST_LINES = 100;

const HEIGHT = 380;

/** The answer to one query on the grid of the graph. */
export interface GraphAnswer {
  readonly query: string;
  readonly lines: readonly Line[];
}

export class Graph {
  readonly element = h("div", { class: "graph" });
  readonly #onSelect: (from: number, to: number) => void;
  readonly #note = h("p", { class: "muted graph-note" });
  #unit: Unit | undefined;
  #plot: Plot | undefined;
  #legend: Legend | undefined;
  #grid: Grid = { start: 0, end: 1, step: 1 };
  #curves: Curve[] = [];

  constructor(onSelect: (from: number, to: number) => void) {
    this.#onSelect = onSelect;
  }

  /** Draw `answers`, the first hundred lines of them. */
  draw(grid: Grid, answers: readonly GraphAnswer[]): void {
    const lines = answers.flatMap((answer) => answer.lines.map((line) => ({ answer, line })));
    const unit = unitOfNames(lines.map(({ line }) => line.labels["__name__"] ?? ""));
    this.#grid = grid;
    this.#curves = lines.slice(0, MOST_LINES).map(({ answer, line }, order) => ({
      ...line,
      key: `${answer.query} ${line.key}`,
      // Without labels, the expression is the only name there is.
      name: Object.keys(line.labels).length === 0 ? answer.query : spellLabels(line.labels),
      color: seriesToken(order),
      order,
    }));
    if (unit !== this.#unit) this.#rebuild(unit);
    this.#note.textContent =
      answers.length === 0
        ? ""
        : lines.length === 0
          ? "No series in this time range."
          : lines.length > MOST_LINES
            ? `Showing ${MOST_LINES} of ${lines.length} series.`
            : "";
    this.#redraw();
  }

  destroy(): void {
    this.#plot?.destroy();
  }

  #rebuild(unit: Unit): void {
    this.#unit = unit;
    this.#plot?.destroy();
    this.#plot = new Plot({ label: "Graph of the queries", unit, height: HEIGHT, onSelect: this.#onSelect });
    const hidden = this.#legend?.hidden ?? [];
    this.#legend = new Legend(unit, () => this.#redraw());
    for (const key of hidden) this.#legend.hidden.add(key);
    this.#legend.element.classList.add("legend-list");
    fill(this.element, this.#plot.element, this.#note, this.#legend.element);
  }

  #redraw(): void {
    this.#legend?.draw(this.#curves);
    this.#plot?.draw(this.#grid, this.#legend?.visible(this.#curves) ?? []);
  }
}
