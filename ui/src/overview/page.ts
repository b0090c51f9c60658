/** The overview of a host. */

import "../styles/overview.css";

import { ApiError, queryInstant, serverNow } from "../api/client";
import { fill, h, setText } from "../dom/element";
import { formatClock } from "../format/time";
import { Poller } from "../shell/poller";
import { reportProblem } from "../shell/problem";
import type { Page } from "../shell/shell";
import { collectionInterval, describeHost, Facts, HOSTS_QUERY, readHosts, type Host } from "./facts";
import { currentGrid, expander, WINDOWS, type Moment, type TimeWindow } from "./live";
import { CoresView, FilesystemsView, GpuMemoryView } from "./meters";
import {
  CPU,
  DISK,
  FACT_NAMES,
  GPU,
  GPU_HEAT,
  MEMORY,
  NETWORK,
  STORE,
  TILES,
  type ChartPanel,
} from "./panels";
import { ProcessesView } from "./processes";
import { StoreView, TargetsView } from "./store";
import { ChartView, TileView, type View } from "./views";

const REFRESH_MS = 2000;
/** Hosts and the pace of collection are looked up again after so many refreshes. */
const SURVEY_EVERY = 15;

const FACTS = `{__name__=~"${FACT_NAMES.join("|")}",$host} or node_cpu_seconds_total{$host,mode="idle"}`;
/** These belong to the whole server rather than to one host. */
const SERVER_FACTS = '{__name__=~"up|veriscope_ingest_samples_total"}';

export function openOverview(): Page {
  return new Overview();
}

interface Section {
  readonly element: HTMLElement;
  readonly views: readonly View[];
}

function charts(panels: readonly ChartPanel[]): View[] {
  return panels.map((panel) => new ChartView(panel));
}

function section(title: string, views: readonly View[]): Section {
  const grid = h("div", { class: "grid" }, ...views.map(({ element }) => element));
  return {
    element: h("section", { class: "section", "aria-label": title }, h("h2", {}, title), grid),
    views,
  };
}

class Overview implements Page {
  readonly #tiles: View[] = TILES.map((tile) => new TileView(tile));
  readonly #sections: Section[] = [
    section("Processor", [...charts(CPU), new CoresView()]),
    section("Memory and load", charts(MEMORY)),
    section("GPU", [...charts(GPU), new GpuMemoryView(), ...charts(GPU_HEAT)]),
    section("Disk", [...charts(DISK), new FilesystemsView()]),
    section("Network", charts(NETWORK)),
    section("Processes", [new ProcessesView()]),
    section("Veriscope", [...charts(STORE), new StoreView(), new TargetsView()]),
  ];
  readonly #title = h("h1", {}, "Overview");
  readonly #subtitle = h("p", { class: "subtitle" }, "\u00a0");
  readonly #live = h("span", { class: "live" });
  readonly #hostSlot = h("span", { class: "host-slot" });
  readonly #windows: HTMLElement;
  readonly #body = h("div", { class: "overview-body", hidden: true });
  readonly #emptyTitle = h("h2", {}, "Loading…");
  readonly #emptyText = h("p", {}, "The first answer after an installation can take some seconds.");
  readonly #empty = h(
    "div",
    { class: "empty" },
    h("span", { class: "pulse", "aria-hidden": "true" }),
    this.#emptyTitle,
    this.#emptyText,
  );
  readonly #inSight = new Set<Element>();
  /** What nobody sees is not asked for: a long page costs the server no more than a short one. */
  readonly #sight = new IntersectionObserver((entries) => this.#look(entries), { rootMargin: "150px" });
  readonly #poller = new Poller((signal) => this.#refresh(signal), REFRESH_MS);
  readonly element: HTMLElement;
  #window: TimeWindow = WINDOWS[0]!;
  #hosts: Host[] = [];
  #host = "";
  #interval = 1;
  #turn = 0;
  #moment: Moment | undefined;

  constructor() {
    this.#windows = h(
      "div",
      { class: "segments", role: "group", "aria-label": "Time window" },
      ...WINDOWS.map((window) => this.#windowButton(window)),
    );
    fill(
      this.#body,
      h("div", { class: "tiles" }, ...this.#tiles.map(({ element }) => element)),
      ...this.#sections.map(({ element }) => element),
    );
    this.element = h(
      "div",
      { class: "page overview" },
      h(
        "header",
        { class: "page-head" },
        h("div", { class: "page-title" }, this.#title, this.#subtitle),
        h("div", { class: "page-tools" }, this.#live, this.#hostSlot, this.#windows),
      ),
      this.#empty,
      this.#body,
    );
    document.title = "Overview · Veriscope";
    for (const { element } of this.#views()) this.#sight.observe(element);
    this.#apply();
    document.addEventListener("visibilitychange", this.#showPause);
    this.#poller.start();
  }

  destroy(): void {
    this.#poller.stop();
    this.#sight.disconnect();
    document.removeEventListener("visibilitychange", this.#showPause);
    for (const view of this.#views()) view.destroy();
  }

  #views(): View[] {
    return [...this.#tiles, ...this.#sections.flatMap(({ views }) => views)];
  }

  readAddress(): void {
    this.#apply();
    this.#poller.restart();
  }

  /** The address holds the window and the host: `/?range=1h&host=…`. */
  #apply(): void {
    const params = new URLSearchParams(location.search);
    this.#window = WINDOWS.find(({ name }) => name === params.get("range")) ?? WINDOWS[0]!;
    this.#host = params.get("host") ?? "";
    this.#turn = 0;
    for (const button of this.#windows.children)
      button.setAttribute("aria-pressed", String(button.textContent === this.#window.name));
  }

  #go(change: Record<string, string>): void {
    const params = new URLSearchParams(location.search);
    for (const [name, value] of Object.entries(change)) params.set(name, value);
    history.pushState(null, "", `/?${params}`);
    this.readAddress();
  }

  #windowButton(window: TimeWindow): HTMLElement {
    return h("button", { type: "button", onclick: () => this.#go({ range: window.name }) }, window.name);
  }

  async #refresh(signal: AbortSignal): Promise<void> {
    try {
      if (this.#turn % SURVEY_EVERY === 0) await this.#survey(signal);
      const expand = expander(this.#host, this.#interval, this.#window.step);
      const facts = new Facts(
        await Promise.all([queryInstant(expand(FACTS), { signal }), queryInstant(SERVER_FACTS, { signal })]),
      );
      await this.#show({ facts, grid: currentGrid(this.#window), signal, expand });
      reportProblem(null);
    } catch (error) {
      if (signal.aborted) return;
      this.#live.dataset["state"] = "waiting";
      setText(this.#live, error instanceof ApiError && error.unreachable ? "Reconnecting" : "Not live");
      reportProblem(error);
      this.#turn = 0;
    }
  }

  /** Find the hosts, and how often the chosen one is measured. */
  async #survey(signal: AbortSignal): Promise<void> {
    this.#hosts = readHosts(await queryInstant(HOSTS_QUERY, { signal }));
    const chosen = this.#hosts.find(({ instance }) => instance === this.#host) ?? this.#hosts[0];
    this.#host = chosen?.instance ?? "";
    if (!chosen) return;
    const minute = await queryInstant(
      `node_memory_MemTotal_bytes{instance=${JSON.stringify(chosen.instance)}}[1m]`,
      { signal },
    );
    this.#interval = collectionInterval(minute.series[0]);
    this.#drawHosts();
  }

  async #show(moment: Moment): Promise<void> {
    const ready = moment.facts.has("node_memory_MemTotal_bytes") || moment.facts.has("node_load1");
    this.#empty.hidden = ready;
    this.#body.hidden = !ready;
    if (!ready) {
      setText(this.#emptyTitle, "Collecting first samples…");
      setText(
        this.#emptyText,
        "Numbers appear here as soon as they are stored, a few seconds after the start.",
      );
      this.#turn = 0;
      this.#live.dataset["state"] = "waiting";
      setText(this.#live, "Starting");
      return;
    }
    this.#turn += 1;
    const host = this.#hosts.find(({ instance }) => instance === this.#host);
    setText(this.#title, host?.name ?? "Overview");
    setText(this.#subtitle, describeHost(moment.facts, serverNow()) || "\u00a0");
    document.title = `${host?.name ?? "Overview"} · Veriscope`;
    for (const view of this.#views()) view.element.hidden = !view.relevant(moment);
    for (const { element, views } of this.#sections)
      element.hidden = views.every((view) => view.element.hidden);
    this.#moment = moment;
    const seen = this.#views().filter((view) => !view.element.hidden && this.#inSight.has(view.element));
    const outcomes = await Promise.allSettled(seen.map((view) => view.update(moment)));
    // One part that fails must not keep the others from their numbers.
    const failure = outcomes.find((outcome) => outcome.status === "rejected");
    if (failure) throw failure.reason;
    this.#live.dataset["state"] = "live";
    setText(this.#live, `Live · ${formatClock(serverNow())}`);
  }

  /** Fill in parts that have just been scrolled into sight, without waiting for the next refresh. */
  #look(entries: readonly IntersectionObserverEntry[]): void {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) this.#inSight.delete(target);
      else if (!this.#inSight.has(target)) this.#arrive(target);
    }
  }

  #arrive(element: Element): void {
    this.#inSight.add(element);
    const view = this.#views().find((one) => one.element === element);
    // The next refresh reports what fails; here it would say the same twice.
    if (this.#moment && !this.#moment.signal.aborted) view?.update(this.#moment).catch(() => undefined);
  }

  #drawHosts(): void {
    if (this.#hosts.length < 2) {
      fill(this.#hostSlot);
      return;
    }
    const picker = h("select", { "aria-label": "Host", onchange: () => this.#go({ host: picker.value }) });
    fill(
      picker,
      ...this.#hosts.map(({ instance, name }) =>
        h("option", { value: instance, selected: instance === this.#host }, name),
      ),
    );
    fill(this.#hostSlot, picker);
  }

  readonly #showPause = (): void => {
    if (!document.hidden) return;
    this.#live.dataset["state"] = "waiting";
    setText(this.#live, "Paused");
  };
}
