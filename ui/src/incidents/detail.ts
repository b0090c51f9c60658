/** One incident: what it is, who has it, what was done, its alerts and what was seen when it began. */

import "../styles/incidents.css";

import {
  badge,
  chips,
  Outcome,
  severityBadge,
  showAgo,
  showFor,
  stateBadge,
  type AlertsView,
} from "../alerts/parts";
import { alertAddress, seconds, severityOf } from "../alerts/model";
import { filterParams } from "../alerts/matchers";
import { spellPairs } from "../alerts/onset_chart";
import { fill, h, setText } from "../dom/element";
import { readEvidence } from "../evidence/model";
import { EvidencePanel } from "../evidence/panel";
import { formatDateTime } from "../format/time";
import { formatSeconds } from "../format/units";
import { DeedForm } from "./deeds";
import { describeIncident } from "./list";
import {
  INCIDENT_TONES,
  readIncident,
  type IncidentAlert,
  type TimelineEntry,
  type WholeIncident,
} from "./model";

const MOST_ALERTS = 50;
const MOST_ENTRIES = 100;

export class IncidentDetail implements AlertsView {
  readonly title: string;
  readonly #id: string;
  readonly #head = h("header", { class: "detail-head" });
  readonly #since = h("strong", { class: "number" });
  readonly #about = h("p", { class: "muted" });
  readonly #facts = h("div", { class: "detail-facts" });
  readonly #outcome = new Outcome();
  readonly #deeds: DeedForm;
  readonly #alerts = h("section", { class: "card", "aria-label": "Alerts", hidden: true });
  readonly #timeline = h("section", { class: "card", "aria-label": "Timeline", hidden: true });
  readonly #evidence = new EvidencePanel({ withPicture: true });
  readonly elements: readonly HTMLElement[];
  #shape = "";

  constructor(id: string) {
    this.#id = id;
    this.title = id;
    this.#deeds = new DeedForm(id, this.#outcome, () => this.refresh(AbortSignal.timeout(10_000)));
    fill(this.#head, h("h1", {}, id));
    this.elements = [
      this.#head,
      this.#facts,
      h(
        "div",
        { class: "incident-columns" },
        h("div", {}, this.#deeds.element, this.#alerts),
        this.#timeline,
      ),
      this.#evidence.element,
    ];
  }

  async refresh(signal: AbortSignal): Promise<void> {
    const incident = await readIncident(this.#id, signal);
    this.#draw(incident);
    const newest = incident.evidenceIds[0];
    if (newest !== undefined) await this.#evidence.show(await readEvidence(newest, signal), signal);
  }

  #draw(incident: WholeIncident): void {
    showFor(this.#since, seconds(incident.openedAt));
    setText(this.#about, describeIncident(incident));
    for (const time of this.#timeline.querySelectorAll<HTMLElement>("[data-at]"))
      showAgo(time, Number(time.dataset["at"]));
    const shape = JSON.stringify(incident);
    if (shape === this.#shape) return;
    this.#shape = shape;
    fill(this.#head, ...headOf(incident));
    fill(this.#facts, ...this.#factsOf(incident));
    this.#deeds.show(incident);
    drawAlerts(this.#alerts, incident.alerts, incident.alertCount);
    drawTimeline(this.#timeline, incident);
  }

  #factsOf({
    state,
    openedAt,
    timeToAcknowledgeS,
    timeToResolveS,
    labels,
    receivers,
  }: WholeIncident): HTMLElement[] {
    const opened = formatDateTime(seconds(openedAt));
    const times = [
      timeToAcknowledgeS !== null && `acknowledged after ${formatSeconds(Math.round(timeToAcknowledgeS))}`,
      timeToResolveS !== null && `resolved after ${formatSeconds(Math.round(timeToResolveS))}`,
      receivers.length > 0 && `told: ${receivers.join(", ")}`,
    ].filter(Boolean);
    return [
      state === "resolved"
        ? h("p", {}, `began ${opened}`)
        : h("p", {}, "going on ", this.#since, `, since ${opened}`),
      this.#about,
      ...(times.length > 0 ? [h("p", { class: "muted" }, times.join(" · "))] : []),
      chips(labels, (one) => `/alerts?${filterParams([one])}`),
    ];
  }
}

function headOf({ id, title, severity, state, isFlapping }: WholeIncident): HTMLElement[] {
  return [
    h("a", { href: "/incidents", class: "back" }, "← Incidents"),
    h("span", { class: "muted number" }, id),
    h("h1", {}, title),
    severityBadge(severityOf(severity ? { severity } : {})),
    badge(state, INCIDENT_TONES[state]),
    ...(isFlapping ? [badge("flapping", "warn")] : []),
  ];
}

/** What still fires first. */
function drawAlerts(element: HTMLElement, alerts: readonly IncidentAlert[], all: number): void {
  element.hidden = alerts.length === 0;
  const firing = alerts.filter(({ endsAt }) => endsAt === null);
  const ended = alerts.filter(({ endsAt }) => endsAt !== null);
  const shown = [...firing, ...ended].slice(0, MOST_ALERTS);
  fill(
    element,
    h("h2", {}, `${all} ${all === 1 ? "alert" : "alerts"}`),
    h(
      "ul",
      { class: "preview-list" },
      ...shown.map(({ labels, endsAt, isFlapping }) => {
        const { alertname: name = "(no name)", ...rest } = labels;
        return h(
          "li",
          {},
          endsAt === null ? stateBadge("firing") : badge("ended", "good"),
          h("a", { href: alertAddress({ name, labels }) }, name),
          isFlapping && badge("flapping", "warn"),
          h("span", { class: "muted" }, spellPairs(rest)),
        );
      }),
      all > shown.length && h("li", { class: "muted" }, `and ${all - shown.length} more`),
    ),
  );
}

/** The newest first: who comes to it late reads what was last known. */
function drawTimeline(element: HTMLElement, { timeline, timelineLeftOut }: WholeIncident): void {
  element.hidden = timeline.length === 0;
  const entries = [...timeline].reverse();
  const [shown, older] = [entries.slice(0, MOST_ENTRIES), entries.slice(MOST_ENTRIES)];
  fill(
    element,
    h("h2", {}, "What was done"),
    h("ol", { class: "timeline" }, ...shown.map(entryOf)),
    older.length > 0 &&
      h(
        "details",
        {},
        h("summary", { class: "muted" }, `${older.length} older`),
        h("ol", { class: "timeline" }, ...older.map(entryOf)),
      ),
    timelineLeftOut > 0 && h("p", { class: "muted" }, `${timelineLeftOut} more were not kept.`),
  );
}

function entryOf({ at, kind, by, text }: TimelineEntry): HTMLElement {
  const time = h("span", { class: "number muted", "data-at": seconds(at) });
  showAgo(time, seconds(at));
  return h(
    "li",
    {},
    h("div", { class: "group-head" }, badge(kind, "none"), by !== "" && h("strong", {}, by), time),
    text !== "" && h("p", {}, text),
  );
}
