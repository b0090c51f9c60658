/** Incidents: what is going on, who has it, and how long that took of late. */

import "../styles/incidents.css";

import { badge, emptyCard, severityBadge, showFor, spellAgo, type AlertsView } from "../alerts/parts";
import { seconds, severityOf } from "../alerts/model";
import { serverNow } from "../api/client";
import { fill, h, setText } from "../dom/element";
import { KeyedList, type Row } from "../dom/keyed";
import { formatSeconds, NOTHING } from "../format/units";
import {
  finding,
  INCIDENT_TONES,
  incidentAddress,
  readFigures,
  readIncidents,
  type AllFigures,
  type Figures,
  type Incident,
  type IncidentState,
} from "./model";

const TABS: readonly [name: string, state: string, states: readonly IncidentState[]][] = [
  ["Going on", "", ["open", "acknowledged"]],
  ["Nobody has it", "open", ["open"]],
  ["Acknowledged", "acknowledged", ["acknowledged"]],
  ["Resolved", "resolved", ["resolved"]],
];
const MOST = 200;
const MOST_NAMES = 10;
const PERIOD_DAYS = 30;
/** Figures of a month do not move within seconds. */
const FIGURES_EVERY_S = 60;

export class IncidentList implements AlertsView {
  title = "Incidents";
  readonly #tab =
    TABS.find(([, state]) => state === new URLSearchParams(location.search).get("state")) ?? TABS[0]!;
  readonly #search = h("input", {
    type: "search",
    placeholder: "Search ids, titles and labels",
    "aria-label": "Search incidents",
    oninput: () => this.#find(),
  });
  readonly #rows = h("div", { class: "alert-list" });
  readonly #list = new KeyedList<Incident>(
    this.#rows,
    ({ id }) => id,
    (incident) => new IncidentRow(incident),
  );
  readonly #note = h("p", { class: "muted", role: "status" });
  readonly #empty = h("div");
  readonly #figures = h("section", { "aria-label": "Figures", hidden: true });
  readonly elements: readonly HTMLElement[];
  #incidents: readonly Incident[] | undefined;
  #figuresAt = 0;

  constructor() {
    this.#search.value = new URLSearchParams(location.search).get("search") ?? "";
    const tabs = TABS.map((tab) => {
      const [name, state] = tab;
      const href = state ? `/incidents?state=${state}` : "/incidents";
      return h("a", { href, "aria-current": tab === this.#tab ? "true" : null }, name);
    });
    this.elements = [
      h(
        "div",
        { class: "alert-tools" },
        h("h1", {}, "Incidents"),
        h("nav", { class: "subtabs", "aria-label": "State of incidents" }, ...tabs),
        this.#search,
      ),
      this.#rows,
      this.#note,
      this.#empty,
      this.#figures,
    ];
  }

  async refresh(signal: AbortSignal): Promise<void> {
    this.#incidents = await readIncidents(this.#tab[2], MOST, signal);
    this.#draw();
    const now = serverNow();
    if (now - this.#figuresAt < FIGURES_EVERY_S) return;
    this.#drawFigures(await readFigures(now - PERIOD_DAYS * 86_400, now, signal));
    this.#figuresAt = now;
  }

  #find(): void {
    const params = new URLSearchParams(location.search);
    const search = this.#search.value.trim();
    if (search) params.set("search", search);
    else params.delete("search");
    const text = params.toString();
    history.replaceState(null, "", `/incidents${text ? `?${text}` : ""}`);
    this.#draw();
  }

  #draw(): void {
    if (!this.#incidents) return;
    const shown = this.#incidents.filter(finding(this.#search.value));
    this.#list.draw(shown);
    const open = this.#incidents.filter(({ state }) => state === "open").length;
    this.title = open > 0 ? `(${open}) Incidents` : "Incidents";
    const full = this.#tab[2].some(
      (state) => this.#incidents!.filter((one) => one.state === state).length >= MOST,
    );
    setText(this.#note, full ? `The newest ${MOST} of each state.` : "");
    this.#note.hidden = !full;
    const wanted = shown.length > 0 ? "" : this.#incidents.length > 0 ? "search" : this.#tab[0];
    if (this.#empty.dataset["for"] === wanted) return;
    this.#empty.dataset["for"] = wanted;
    fill(this.#empty, wanted !== "" && emptyOf(wanted, this.#tab[1]));
  }

  #drawFigures(figures: AllFigures): void {
    this.#figures.hidden = figures.count === 0;
    if (figures.count === 0) return;
    fill(
      this.#figures,
      h("h2", { class: "section-title" }, `The last ${PERIOD_DAYS} days`),
      h(
        "div",
        { class: "card table-scroll" },
        h(
          "table",
          { class: "table figures" },
          h(
            "thead",
            {},
            h(
              "tr",
              {},
              ...["", "Incidents", "Acknowledged after", "Resolved after"].map((one) =>
                h("th", { scope: "col" }, one),
              ),
            ),
          ),
          h(
            "tbody",
            {},
            figuresRow("all", figures),
            ...figures.bySeverity.map((one) => figuresRow(one.severity || "no severity", one)),
            ...figures.byAlertname.slice(0, MOST_NAMES).map((one) => figuresRow(one.alertname, one)),
          ),
        ),
        h("p", { class: "muted" }, "Medians; the means are in brackets."),
      ),
    );
  }
}

function emptyOf(wanted: string, state: string): HTMLElement {
  if (wanted === "search") return emptyCard("Nothing matches", "No incident here has what you look for.");
  if (state === "resolved") return emptyCard("Nothing was resolved yet", "Incidents are kept for 90 days.");
  return emptyCard(
    state === "" ? "Nothing is going on" : "There is none",
    "Alerts that begin to fire together become an incident: here it is acknowledged, given to somebody and resolved.",
  );
}

function figuresRow(name: string, one: Figures): HTMLElement {
  return h(
    "tr",
    {},
    h("td", {}, name),
    h("td", { class: "number" }, String(one.count)),
    h("td", { class: "number" }, spellTimes(one.medianTimeToAcknowledgeS, one.meanTimeToAcknowledgeS)),
    h("td", { class: "number" }, spellTimes(one.medianTimeToResolveS, one.meanTimeToResolveS)),
  );
}

const spellTimes = (median: number | null, mean: number | null): string =>
  median === null || mean === null ? NOTHING : `${formatSeconds(median)} (${formatSeconds(mean)})`;

/** Who has an incident, and what has become of its alerts. */
export function describeIncident({
  alertCount,
  firingCount,
  assignee,
  acknowledgedBy,
  acknowledgedAt,
  resolvedBy,
  resolvedAt,
}: Incident): string {
  const alerts = `${alertCount} ${alertCount === 1 ? "alert" : "alerts"}`;
  return [
    firingCount > 0 ? `${firingCount} of ${alerts} firing` : `${alerts}, none firing`,
    assignee !== "" && `assigned to ${assignee}`,
    acknowledgedAt !== null &&
      `acknowledged ${spellAgo(seconds(acknowledgedAt))}${acknowledgedBy && ` by ${acknowledgedBy}`}`,
    resolvedAt !== null && `resolved ${spellAgo(seconds(resolvedAt))}${resolvedBy && ` by ${resolvedBy}`}`,
  ]
    .filter(Boolean)
    .join(" · ");
}

class IncidentRow implements Row<Incident> {
  readonly #badges = h("span", { class: "slot" });
  readonly #since = h("span", { class: "number alert-since" });
  readonly #title = h("a");
  readonly #about = h("p", { class: "muted" });
  readonly element: HTMLElement;

  constructor({ id }: Incident) {
    this.#title.href = incidentAddress(id);
    this.element = h(
      "article",
      { class: "card alert", "aria-label": id },
      h(
        "div",
        { class: "alert-head" },
        h("span", { class: "muted number" }, id),
        h("h2", {}, this.#title),
        this.#badges,
        this.#since,
      ),
      this.#about,
    );
  }

  update(incident: Incident): void {
    const { title, state, severity, isFlapping, openedAt, resolvedAt, timeToResolveS } = incident;
    const known = severityOf({ severity });
    this.element.dataset["tone"] = state === "resolved" ? "none" : known.tone;
    setText(this.#title, title);
    const shape = JSON.stringify([state, severity, isFlapping]);
    if (this.#badges.dataset["shape"] !== shape)
      fill(
        this.#badges,
        severityBadge(severity ? known : severityOf({})),
        badge(state, INCIDENT_TONES[state]),
        isFlapping && badge("flapping", "warn"),
      );
    this.#badges.dataset["shape"] = shape;
    if (resolvedAt !== null && timeToResolveS !== null)
      setText(this.#since, `took ${formatSeconds(Math.round(timeToResolveS))}`);
    else showFor(this.#since, seconds(openedAt));
    setText(this.#about, describeIncident(incident));
  }
}
