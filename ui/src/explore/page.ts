/** Explore: ask anything in PromQL, see it as a graph or a table, and share the address. */

import "../styles/explore.css";

import { queryInstant, queryRange, serverNow, ApiError } from "../api/client";
import type { Answer } from "../api/answers";
import { toLines, type Grid } from "../api/lines";
import { fill, h } from "../dom/element";
import { Poller } from "../shell/poller";
import { reportProblem } from "../shell/problem";
import type { Page } from "../shell/shell";
import { bounds, Controls } from "./controls";
import { Graph } from "./graph";
import { QueryRow } from "./row";
import { chooseStep, readExplore, spellExplore, type ExploreState, type Tab } from "./state";
import { ResultTable } from "./table";

/** Past this, letters run out and a page of graphs serves better. */
const MOST_QUERIES = 8;
/** How soon to try again when the server was not there and no refresh is set. */
const RETRY_MS = 3000;

interface Answered {
  readonly query: string;
  readonly answer: Answer;
}

export function openExplore(): Page {
  return new Explore();
}

class Explore implements Page {
  readonly #controls = new Controls((change) => this.#go({ ...change }));
  readonly #rowsElement = h("div", { class: "query-rows" });
  readonly #add = h(
    "button",
    { type: "button", class: "button", onclick: () => this.#addRow() },
    "Add query",
  );
  readonly #tabs: Record<Tab, HTMLButtonElement> = {
    graph: this.#tabButton("graph", "Graph"),
    table: this.#tabButton("table", "Table"),
  };
  readonly #graph = new Graph((from, to) => this.#go({ range: { kind: "absolute", from, to } }));
  readonly #table = new ResultTable();
  readonly #result = h("div", { class: "card result", role: "tabpanel", "aria-label": "Result" });
  readonly #hint = h("p", { class: "muted result-hint" }, "Write an expression above and press Enter.");
  readonly element: HTMLElement;
  #state: ExploreState = readExplore(location.search);
  #rows: QueryRow[] = [];
  #poller: Poller | undefined;

  constructor() {
    this.element = h(
      "div",
      { class: "page explore" },
      h(
        "header",
        { class: "page-head" },
        h("div", { class: "page-title" }, h("h1", {}, "Explore")),
        this.#controls.element,
      ),
      this.#rowsElement,
      h(
        "div",
        { class: "query-actions" },
        h("button", { type: "button", class: "button button-primary", onclick: () => this.#submit() }, "Run"),
        this.#add,
        h(
          "div",
          { class: "segments tabs", role: "tablist", "aria-label": "View" },
          this.#tabs.graph,
          this.#tabs.table,
        ),
      ),
      this.#result,
    );
    this.readAddress();
  }

  destroy(): void {
    this.#poller?.stop();
    this.#graph.destroy();
    for (const row of this.#rows) row.destroy();
  }

  readAddress(): void {
    this.#state = readExplore(location.search);
    this.#showState();
    this.#watch();
  }

  /** Change the state, and with it the address. */
  #go(change: Partial<ExploreState>): void {
    this.#state = { ...this.#state, queries: this.#rows.map(({ text }) => text.trim()), ...change };
    const search = spellExplore(this.#state);
    const address = search ? `/explore?${search}` : "/explore";
    if (address !== location.pathname + location.search) history.pushState(null, "", address);
    this.#showState();
    this.#watch();
  }

  #submit(): void {
    this.#go({});
  }

  #showState(): void {
    const { queries, tab } = this.#state;
    if (this.#rows.length !== queries.length) this.#buildRows(queries);
    queries.forEach((text, index) => (this.#rows[index]!.text = text));
    this.#controls.show(this.#state);
    for (const [name, button] of Object.entries(this.#tabs))
      button.setAttribute("aria-selected", String(name === tab));
    const asked = queries.filter(Boolean);
    document.title =
      asked.length > 0 ? `${asked.join(", ").slice(0, 60)} · Explore · Veriscope` : "Explore · Veriscope";
    this.element.classList.toggle("single-query", queries.length === 1);
    this.#add.disabled = queries.length >= MOST_QUERIES;
  }

  #buildRows(queries: readonly string[]): void {
    for (const row of this.#rows) row.destroy();
    this.#rows = queries.map(
      (text, index) =>
        new QueryRow({
          name: String.fromCharCode(65 + index),
          text,
          onRun: () => this.#submit(),
          onRemove: () =>
            this.#go({ queries: this.#rows.map((row) => row.text.trim()).filter((_, at) => at !== index) }),
        }),
    );
    fill(this.#rowsElement, ...this.#rows.map(({ element }) => element));
  }

  #addRow(): void {
    this.#go({ queries: [...this.#rows.map(({ text }) => text.trim()), ""] });
    this.#rows.at(-1)?.focus();
  }

  #tabButton(tab: Tab, name: string): HTMLButtonElement {
    return h("button", { type: "button", role: "tab", onclick: () => this.#go({ tab }) }, name);
  }

  /** Ask now, and again as often as the state says. */
  #watch(): void {
    this.#poller?.stop();
    const { refresh, range } = this.#state;
    const live = refresh !== null && range.kind === "relative";
    this.#poller = new Poller((signal) => this.#ask(signal, live), live ? refresh * 1000 : RETRY_MS);
    this.#poller.start();
  }

  async #ask(signal: AbortSignal, live: boolean): Promise<void> {
    const { queries, tab, range, step } = this.#state;
    if (queries.every((query) => !query)) {
      for (const row of this.#rows) row.show({ kind: "idle" });
      fill(this.#result, this.#hint);
      this.#poller?.stop();
      return;
    }
    const { from, to } = bounds(range, serverNow());
    const grid = spanGrid(from, to, chooseStep(to - from, step), live);
    let gone: unknown = null;
    const ask = async (query: string, row: QueryRow): Promise<Answered | null> => {
      if (!query) return null;
      row.show({ kind: "running" });
      const began = performance.now();
      try {
        const answer =
          tab === "graph"
            ? await queryRange(query, grid, signal)
            : await queryInstant(query, { signal, ...(range.kind === "absolute" ? { time: to } : {}) });
        row.show({
          kind: "answered",
          series: answer.series.length,
          seconds: (performance.now() - began) / 1000,
          warnings: answer.warnings,
        });
        return { query, answer };
      } catch (error) {
        if (signal.aborted) return null;
        if (error instanceof ApiError && error.unreachable) gone = error;
        else row.show({ kind: "refused", error });
        return null;
      }
    };
    const answered = (
      await Promise.all(queries.map((query, index) => ask(query, this.#rows[index]!)))
    ).filter((found) => found !== null);
    if (signal.aborted) return;
    reportProblem(gone);
    // What is on the page stays there until the server is back.
    if (gone === null) this.#draw(grid, answered);
    if (gone === null && !live) this.#poller?.stop();
  }

  #draw(grid: Grid, answered: readonly Answered[]): void {
    if (this.#state.tab === "graph") {
      this.#graph.draw(
        grid,
        answered.map(({ query, answer }) => ({ query, lines: toLines(answer.series, grid) })),
      );
      if (this.#graph.element.parentElement !== this.#result) fill(this.#result, this.#graph.element);
    } else {
      this.#table.draw(answered);
      if (this.#table.element.parentElement !== this.#result) fill(this.#result, this.#table.element);
    }
  }
}

/** A refresh ends on whole multiples of this, so that lines move on without shimmering. */
const ALIGN_S = 15;

function spanGrid(from: number, to: number, step: number, live: boolean): Grid {
  const align = Math.min(step, ALIGN_S);
  const end = live ? Math.floor(to / align) * align : to;
  return { start: end - Math.ceil((to - from) / step) * step, end, step };
}
