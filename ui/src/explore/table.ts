/** The newest value of every series, a column for each label. */

import { latest, type Answer, type Series } from "../api/answers";
import { fill, h } from "../dom/element";
import { formatExact } from "../format/units";

/** More rows than this are counted, not listed. */
const MOST_ROWS = 1000;

/** The labels of `series` in the order of columns: the metric's name first, then by name. */
export function labelColumns(series: readonly Series[]): string[] {
  const names = new Set(series.flatMap(({ labels }) => Object.keys(labels)));
  const rest = [...names].filter((name) => name !== "__name__").sort();
  return names.has("__name__") ? ["__name__", ...rest] : rest;
}

export class ResultTable {
  readonly element = h("div", { class: "results" });

  /** List the answers of instant queries, each with its expression if there are several. */
  draw(answers: readonly { query: string; answer: Answer }[]): void {
    fill(
      this.element,
      ...answers.flatMap(({ query, answer }) => [
        answers.length > 1 ? h("h3", { class: "result-query" }, query) : null,
        table(answer),
      ]),
    );
  }
}

function table(answer: Answer): HTMLElement {
  if (answer.kind === "string") return h("p", { class: "result-text" }, answer.text ?? "");
  const { series } = answer;
  if (series.length === 0) return h("p", { class: "muted" }, "No series at this time.");
  const columns = labelColumns(series);
  const head = h(
    "tr",
    {},
    ...columns.map((name) => h("th", { scope: "col" }, name === "__name__" ? "metric" : name)),
    h("th", { class: "number", scope: "col" }, "value"),
  );
  const more = series.length - MOST_ROWS;
  return h(
    "div",
    { class: "table-scroll", tabindex: 0, role: "region", "aria-label": "Results" },
    h(
      "table",
      { class: "table" },
      h("thead", {}, head),
      h("tbody", {}, ...series.slice(0, MOST_ROWS).map((one) => row(one, columns, answer.kind))),
    ),
    more > 0 && h("p", { class: "muted" }, `Showing ${MOST_ROWS} of ${series.length} series.`),
  );
}

function row(series: Series, columns: readonly string[], kind: Answer["kind"]): HTMLElement {
  // A range selector answers with raw samples: all of them are the value.
  const text =
    kind === "matrix"
      ? series.points.map(([time, value]) => `${formatExact(value)} @${time}`).join("\n")
      : formatExact(latest(series) ?? NaN);
  return h(
    "tr",
    {},
    ...columns.map((name) => h("td", {}, series.labels[name] ?? "")),
    h("td", { class: "number value-cell" }, text),
  );
}
