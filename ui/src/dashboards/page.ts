/** Dashboards: the list of them, and one of them in full. */

import "../styles/dashboards.css";

import { ApiError, serverNow } from "../api/client";
import { alignedGrid, type Grid } from "../api/lines";
import { fill, h, setText } from "../dom/element";
import { bounds, Controls } from "../explore/controls";
import { chooseStep, readExplore, spellExplore, type ExploreState } from "../explore/state";
import { formatDateTime } from "../format/time";
import { Poller } from "../shell/poller";
import { reportProblem } from "../shell/problem";
import type { Page } from "../shell/shell";
import { listDashboards, readDashboard, type Dashboard, type Summary } from "./model";
import { PanelView } from "./panels";

const PATH = "/dashboards";
const LIST_REFRESH_MS = 15_000;
const RETRY_MS = 3000;
/** A dashboard follows the clock unless its address says otherwise. */
const DEFAULT_REFRESH = "5s";

export function openDashboards(): Page {
  return new Dashboards();
}

/** Shows the list at `/dashboards` and a dashboard at `/dashboards/UID`. */
class Dashboards implements Page {
  readonly element = h("div", { class: "page dashboards" });
  #shown: { readonly uid: string; readonly view: ListView | BoardView } | undefined;

  constructor() {
    this.readAddress();
  }

  readAddress(): void {
    const uid = decodeURIComponent(location.pathname.slice(PATH.length + 1));
    if (this.#shown?.uid === uid) {
      this.#shown.view.readAddress();
      return;
    }
    this.#shown?.view.destroy();
    const view = uid ? new BoardView(uid) : new ListView();
    this.#shown = { uid, view };
    fill(this.element, ...view.elements);
    view.readAddress();
  }

  destroy(): void {
    this.#shown?.view.destroy();
  }
}

class ListView {
  readonly #body = h("div", { class: "card" });
  readonly elements = [
    h("header", { class: "page-head" }, h("div", { class: "page-title" }, h("h1", {}, "Dashboards"))),
    this.#body,
  ];
  readonly #poller = new Poller(async (signal) => this.#refresh(signal), LIST_REFRESH_MS);

  readAddress(): void {
    document.title = "Dashboards · Veriscope";
    this.#poller.restart();
  }

  destroy(): void {
    this.#poller.stop();
  }

  async #refresh(signal: AbortSignal): Promise<void> {
    try {
      this.#draw(await listDashboards(signal));
      reportProblem(null);
    } catch (error) {
      if (!signal.aborted) reportProblem(error);
    }
  }

  #draw(summaries: readonly Summary[]): void {
    if (summaries.length === 0) {
      fill(
        this.#body,
        h("h2", {}, "No dashboards yet"),
        h(
          "p",
          { class: "muted" },
          "An application makes one with ObservabilityFramework.create_dashboard, and a script with" +
            " PUT /api/veriscope/v1/dashboards/UID.",
        ),
      );
      return;
    }
    fill(
      this.#body,
      h(
        "table",
        { class: "table" },
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            ...["Title", "Tags", "Panels", "Changed"].map((name) => h("th", { scope: "col" }, name)),
          ),
        ),
        h("tbody", {}, ...summaries.map(row)),
      ),
    );
  }
}

function row({ uid, title, tags, panels, updated_at }: Summary): HTMLElement {
  return h(
    "tr",
    {},
    h("td", {}, h("a", { href: `${PATH}/${encodeURIComponent(uid)}` }, title)),
    h("td", {}, ...tags.map((tag) => h("span", { class: "tag" }, tag))),
    h("td", {}, String(panels)),
    h("td", { class: "muted" }, formatDateTime(Date.parse(updated_at) / 1000)),
  );
}

class BoardView {
  readonly #uid: string;
  readonly #title = h("h1", {}, "\u00a0");
  readonly #tags = h("p", { class: "subtitle" }, "\u00a0");
  readonly #controls = new Controls((change) => this.#go(change));
  readonly #grid = h("div", { class: "board" });
  readonly elements = [
    h(
      "header",
      { class: "page-head" },
      h("div", { class: "page-title" }, this.#title, this.#tags),
      this.#controls.element,
    ),
    this.#grid,
  ];
  #state: ExploreState = readState();
  #version = "";
  #panels: PanelView[] = [];
  #poller: Poller | undefined;

  constructor(uid: string) {
    this.#uid = uid;
  }

  readAddress(): void {
    this.#state = readState();
    this.#controls.show(this.#state);
    this.#watch();
  }

  destroy(): void {
    this.#poller?.stop();
    for (const panel of this.#panels) panel.destroy();
  }

  #go(change: Partial<ExploreState>): void {
    const state = { ...this.#state, ...change };
    const params = new URLSearchParams(spellExplore({ ...state, refresh: null }));
    if (state.refresh === null) params.set("refresh", "off");
    else if (state.refresh !== readState("").refresh)
      params.set("refresh", new URLSearchParams(spellExplore({ refresh: state.refresh })).get("refresh")!);
    const search = params.toString();
    history.pushState(null, "", location.pathname + (search ? `?${search}` : ""));
    this.readAddress();
  }

  #watch(): void {
    this.#poller?.stop();
    const { range, refresh } = this.#state;
    const live = refresh !== null && range.kind === "relative";
    this.#poller = new Poller((signal) => this.#refresh(signal, live), live ? refresh * 1000 : RETRY_MS);
    this.#poller.start();
  }

  async #refresh(signal: AbortSignal, live: boolean): Promise<void> {
    try {
      this.#show(await readDashboard(this.#uid, signal));
      const moment = { grid: this.#currentGrid(), range: this.#state.range, signal };
      await Promise.all(this.#panels.map((panel) => panel.update(moment)));
      if (signal.aborted) return;
      reportProblem(null);
      if (!live) this.#poller?.stop();
    } catch (error) {
      if (signal.aborted) return;
      const gone = error instanceof ApiError && error.kind === "not_found";
      reportProblem(gone ? new Error(`There is no dashboard ${JSON.stringify(this.#uid)}.`) : error);
    }
  }

  #currentGrid(): Grid {
    const { range, step } = this.#state;
    const { from, to } = bounds(range, serverNow());
    return alignedGrid(to, to - from, chooseStep(to - from, step));
  }

  /** Build the panels anew where somebody has changed the dashboard. */
  #show({ title, tags, panels, updated_at }: Dashboard): void {
    if (this.#version === updated_at) return;
    this.#version = updated_at;
    document.title = `${title} · Veriscope`;
    setText(this.#title, title);
    setText(this.#tags, tags.join(" · ") || "\u00a0");
    for (const panel of this.#panels) panel.destroy();
    this.#panels = panels.map((panel) => new PanelView(panel));
    fill(this.#grid, ...this.#panels.map(({ element }) => element));
  }
}

function readState(search = location.search): ExploreState {
  const params = new URLSearchParams(search);
  if (!params.has("refresh")) params.set("refresh", DEFAULT_REFRESH);
  return readExplore(`?${params}`);
}
