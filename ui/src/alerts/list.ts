/** What is wrong at the moment: every alert, the worst first. */

import { fill, h, setText } from "../dom/element";
import { KeyedList } from "../dom/keyed";
import { readList, selecting, spellList, withFilter, withoutFilter, type Shown } from "./filters";
import { spellMatcher, type Matcher } from "./matchers";
import { isAlerting, readAlerts, severityOf, sortAlerts, type Alert, type Snapshot } from "./model";
import { emptyCard, type AlertsView } from "./parts";
import { AlertRow, type ShownAlert } from "./row";

const TILES: readonly [shown: Shown, name: string, meaning: string][] = [
  ["firing", "Firing", "people are told"],
  ["pending", "Pending", "not yet for long enough"],
  ["suppressed", "Suppressed", "silenced, inhibited or muted"],
  ["inactive", "Inactive", "rules that find nothing"],
];
/** More rows at once are neither read nor drawn fast; "show more" goes on by as many. */
const PAGE = 100;
/** From this many alerts on the list begins with what they are called. */
const MANY = 20;
const MOST_NAMES = 12;
/** Where the rules stand that come with the server. */
const OWN_FILE = "veriscope/meta.yml";

export class AlertList implements AlertsView {
  title = "Alerts";
  #state = readList(location.search);
  #limit = PAGE;
  #snapshot: Snapshot | undefined;
  readonly #tiles = TILES.map(([, name, meaning]) => {
    const number = h("strong", { class: "number" }, "–");
    const element = h("a", { class: "count" }, number, h("span", {}, name), h("small", {}, meaning));
    return { element, number };
  });
  readonly #search = h("input", {
    type: "search",
    placeholder: "Search names, labels and texts",
    "aria-label": "Search alerts",
    oninput: () => this.#find(),
  });
  readonly #filters = h("ul", { class: "chips", "aria-label": "Filters" });
  readonly #size = h("span", { class: "muted", role: "status" });
  readonly #wrong = h("p", { class: "rule-error", hidden: true });
  readonly #failing = h("p", { class: "rule-error", hidden: true });
  readonly #names = h("ul", { class: "chips names", "aria-label": "By name" });
  readonly #rows = h("div", { class: "alert-list" });
  readonly #list = new KeyedList<ShownAlert>(
    this.#rows,
    ({ alert }) => alert.key,
    ({ alert }) => new AlertRow(alert),
  );
  readonly #more = h("button", {
    type: "button",
    class: "button more",
    hidden: true,
    onclick: () => {
      this.#limit += PAGE;
      this.#draw();
    },
  });
  readonly #inactive = h("ul", { class: "card inactive", hidden: true });
  readonly #empty = h("div");
  readonly elements = [
    h("h1", { class: "visually-hidden" }, "Alerts"),
    h("div", { class: "counts" }, ...this.#tiles.map(({ element }) => element)),
    h("div", { class: "alert-tools" }, this.#search, this.#filters, this.#size),
    this.#wrong,
    this.#failing,
    this.#names,
    this.#rows,
    this.#more,
    this.#inactive,
    this.#empty,
  ];
  #filtersShape = "";
  #namesShape = "";

  constructor() {
    this.readAddress();
  }

  /** Narrow what is there already, without asking the server again. */
  readAddress(): void {
    this.#state = readList(location.search);
    this.#limit = PAGE;
    if (this.#search.value.trim() !== this.#state.search) this.#search.value = this.#state.search;
    this.#draw();
  }

  async refresh(signal: AbortSignal): Promise<void> {
    this.#snapshot = await readAlerts(signal);
    this.#draw();
  }

  /** The address follows what is typed, without a step back for each letter. */
  #find(): void {
    this.#state = { ...this.#state, search: this.#search.value.trim() };
    this.#limit = PAGE;
    history.replaceState(null, "", spellList(this.#state));
    this.#draw();
  }

  #draw(): void {
    this.#drawFilters();
    if (!this.#snapshot) return;
    const { alerts, groups } = this.#snapshot;
    const selected = alerts.filter(selecting(this.#state));
    const wanted = this.#state.state;
    const shown = sortAlerts(selected.filter(({ state }) => wanted === null || state === wanted));
    const firing = alerts.filter(({ state }) => state === "firing").length;
    this.title = firing > 0 ? `(${firing}) Alerts` : "Alerts";
    this.#drawCounts(selected, groups);
    this.#drawFailing(groups);
    this.#drawNames(shown);
    const address = (one: Matcher): string => spellList(withFilter(this.#state, one));
    const rows = shown.slice(0, this.#limit);
    this.#list.draw(rows.map((alert) => ({ alert, address })));
    setText(this.#size, spellSize(rows.length, shown.length));
    this.#more.hidden = rows.length === shown.length;
    setText(this.#more, `Show ${Math.min(PAGE, shown.length - rows.length)} more`);
    this.#drawEmpty(shown.length > 0 || !this.#inactive.hidden);
  }

  #drawFilters(): void {
    TILES.forEach(([shown], index) => {
      const { element } = this.#tiles[index]!;
      const on = this.#state.state === shown;
      element.href = spellList({ ...this.#state, state: on ? null : shown });
      element.dataset["state"] = shown;
      if (on) element.setAttribute("aria-current", "true");
      else element.removeAttribute("aria-current");
    });
    const { filters, wrong } = this.#state;
    const shape = spellList(this.#state);
    if (shape !== this.#filtersShape)
      fill(
        this.#filters,
        ...filters.map((one) => {
          const text = spellMatcher(one);
          const href = spellList(withoutFilter(this.#state, one));
          const name = `Remove filter ${text}`;
          return h("li", {}, h("a", { class: "chip chip-on", href, "aria-label": name }, `${text} ×`));
        }),
      );
    this.#filtersShape = shape;
    this.#wrong.hidden = wrong.length === 0;
    setText(
      this.#wrong,
      `Not applied, as it is no matcher that a browser can try: ${wrong.join(", ")}. ` +
        'Write name="value", or with !=, =~ (regular expression), !~.',
    );
  }

  #drawCounts(selected: readonly Alert[], groups: Snapshot["groups"]): void {
    const inactive = groups.flatMap(({ rules }) =>
      rules.filter(isAlerting).filter(({ state }) => state === "inactive"),
    );
    TILES.forEach(([shown], index) => {
      const size =
        shown === "inactive" ? inactive.length : selected.filter(({ state }) => state === shown).length;
      const { element, number } = this.#tiles[index]!;
      setText(number, size.toLocaleString("en"));
      element.dataset["any"] = String(size > 0);
    });
    this.#inactive.hidden = this.#state.state !== "inactive" || inactive.length === 0;
    if (this.#inactive.hidden) return;
    const names = JSON.stringify(inactive.map(({ name, query }) => [name, query]));
    if (this.#inactive.dataset["names"] === names) return;
    this.#inactive.dataset["names"] = names;
    fill(
      this.#inactive,
      ...inactive.map(({ name, query }) =>
        h(
          "li",
          {},
          h("a", { href: `/alerts/alert/${encodeURIComponent(name)}` }, name),
          h("code", { class: "muted" }, query),
        ),
      ),
    );
  }

  /** Silence is no good news where nothing watches. */
  #drawFailing(groups: Snapshot["groups"]): void {
    const failing = groups.flatMap(({ rules }) => rules.filter(({ health }) => health === "err"));
    this.#failing.hidden = failing.length === 0;
    const text =
      failing.length === 1
        ? "1 rule cannot be evaluated, and finds nothing."
        : `${failing.length} rules cannot be evaluated, and find nothing.`;
    if (this.#failing.dataset["text"] === text) return;
    this.#failing.dataset["text"] = text;
    fill(this.#failing, `${text} `, h("a", { href: "/alerts/rules" }, "See why"));
  }

  /** What many alerts are called, the worst first: often they are one trouble. */
  #drawNames(shown: readonly Alert[]): void {
    const sizes = new Map<string, { size: number; tone: string }>();
    for (const { name, labels } of shown) {
      const one = sizes.get(name) ?? { size: 0, tone: severityOf(labels).tone };
      one.size += 1;
      sizes.set(name, one);
    }
    this.#names.hidden = shown.length < MANY || sizes.size < 2;
    const address = (name: string): string =>
      spellList(withFilter(this.#state, { name: "alertname", op: "=", value: name }));
    const named = [...sizes]
      .slice(0, MOST_NAMES)
      .map(([name, one]) => ({ ...one, name, href: address(name) }));
    const shape = JSON.stringify(named);
    if (shape === this.#namesShape) return;
    this.#namesShape = shape;
    const rest = sizes.size - named.length;
    fill(
      this.#names,
      ...named.map(({ name, size, tone, href }) =>
        h("li", {}, h("a", { class: "chip", "data-tone": tone, href }, `${name} `, h("b", {}, String(size)))),
      ),
      rest > 0 && h("li", { class: "muted" }, `and ${rest} more names`),
    );
  }

  #drawEmpty(any: boolean): void {
    this.#empty.hidden = any;
    if (any) return;
    const { alerts, groups } = this.#snapshot!;
    const rules = groups.flatMap((group) => group.rules.filter(isAlerting));
    const own = groups.some(({ file }) => file !== OWN_FILE);
    if (alerts.length > 0 && (this.#state.filters.length > 0 || this.#state.search))
      fill(
        this.#empty,
        emptyCard(
          "Nothing matches",
          "No alert has what you look for. ",
          h("a", { href: "/alerts" }, "Show all"),
        ),
      );
    else if (rules.length === 0) fill(this.#empty, emptyCard("No alerting rules yet", HOW_TO_WRITE));
    else
      fill(
        this.#empty,
        emptyCard(
          this.#state.state ? `Nothing is ${this.#state.state}` : "Nothing is wrong",
          own
            ? `${rules.length} alerting ${rules.length === 1 ? "rule watches" : "rules watch"} this server's data.`
            : `Only the rules that come with the server watch it and its targets. ${HOW_TO_WRITE}`,
        ),
      );
  }
}

const HOW_TO_WRITE =
  "Write rules into a file, name it under rule_files in the configuration, and reload. " +
  "Prometheus' rule files work as they are, and other servers can post alerts to /api/v2/alerts.";

function spellSize(shown: number, all: number): string {
  if (shown < all) return `${shown} of ${all.toLocaleString("en")} shown`;
  return all === 1 ? "1 alert" : `${all} alerts`;
}
