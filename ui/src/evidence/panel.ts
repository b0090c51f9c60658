/** Evidence on a page: everything that was seen around the onset, and what is missing of it. */

import "../styles/evidence.css";

import type { Labels } from "../api/answers";
import { h, fill } from "../dom/element";
import { badge, isWebLink, showAgo, webLink } from "../alerts/parts";
import { spellPairs } from "../alerts/onset_chart";
import { spellExplore } from "../explore/state";
import { formatClock, formatDateTime } from "../format/time";
import { formatNumber, formatSeconds, NOTHING } from "../format/units";
import { changedQuery, spellChange, toNumber, type Changed, type Evidence, type Figure } from "./model";
import { drawSparklines } from "./sparklines";

/** The time that a link to Explore shows around the onset, in seconds. */
const BEFORE = 3600;
const AFTER = 1800;

export class EvidencePanel {
  readonly element = h("section", { class: "evidence", "aria-label": "Evidence", hidden: true });
  readonly #withPicture: boolean;
  readonly #when = h("span", { class: "muted" });
  #id = "";

  /** A page without a chart of its own shows the picture that was drawn at the onset. */
  constructor({ withPicture }: { withPicture: boolean }) {
    this.#withPicture = withPicture;
  }

  /** Show `evidence`, or how one comes by it. */
  async show(evidence: Evidence | undefined, signal: AbortSignal): Promise<void> {
    this.element.hidden = false;
    if (evidence) showAgo(this.#when, Date.parse(evidence.gatheredAt) / 1000);
    if (this.#id === (evidence?.id ?? "none")) return;
    this.#id = evidence?.id ?? "none";
    if (!evidence) {
      fill(
        this.element,
        h("p", { class: "muted" }, "No evidence yet: it is gathered when people are first told of an alert."),
      );
      return;
    }
    const sparklines = evidence.changed.map(() => h("td"));
    fill(
      this.element,
      h(
        "div",
        { class: "group-head" },
        h("h2", { class: "section-title" }, "Evidence"),
        h("span", { class: "muted" }, "gathered ", this.#when),
        evidence.viewUrl !== "" && viewLink(evidence.viewUrl),
      ),
      ...this.#parts(evidence, sparklines),
    );
    await drawSparklines(evidence, sparklines, signal);
  }

  #parts(evidence: Evidence, sparklines: readonly HTMLElement[]): (HTMLElement | false)[] {
    const { hints, missing, events, host } = evidence;
    return [
      hints.length > 0 && h("ul", { class: "card hints" }, ...hints.map((hint) => h("li", {}, hint))),
      this.#withPicture && evidence.graphUrl !== "" && picture(evidence),
      events.length > 0 && part("What happened", eventList(events)),
      evidence.values.length > 0 && part("Its values", valuesTable(evidence.values)),
      evidence.changed.length > 0 &&
        part("What else changed", changedTable(evidence, sparklines), "the most unusual first"),
      evidence.logPatterns.length > 0 &&
        part("Log records, new or more", patternsTable(evidence.logPatterns)),
      evidence.traces.length > 0 && part("Traces", tracesTable(evidence.traces)),
      host.length > 0 && part("The host", hostList(host), "at the onset"),
      missing.length > 0 &&
        part("Not there", h("ul", { class: "muted" }, ...missing.map((text) => h("li", {}, text)))),
    ];
  }
}

function part(name: string, body: HTMLElement, note = ""): HTMLElement {
  return h(
    "section",
    { class: "card", "aria-label": name },
    h("div", { class: "group-head" }, h("h2", {}, name), note && h("span", { class: "muted" }, note)),
    h("div", { class: "table-scroll" }, body),
  );
}

/** A link within this server opens here, another in a tab of its own. */
function viewLink(address: string): HTMLElement | false {
  if (!isWebLink(address)) return false;
  const { origin, pathname, search } = new URL(address);
  return origin === location.origin
    ? h("a", { href: pathname + search }, "Open in Explore")
    : webLink(address, "Open in Explore");
}

function picture({ id, startsAt }: Evidence): HTMLElement {
  const src = `/api/veriscope/v1/evidence/${encodeURIComponent(id)}/graph.png`;
  return h(
    "figure",
    { class: "card picture" },
    h("img", {
      src,
      loading: "lazy",
      alt: `The alert's expression around ${formatDateTime(Date.parse(startsAt) / 1000)}`,
    }),
  );
}

function table(heads: readonly string[], rows: readonly HTMLElement[]): HTMLElement {
  const cells = rows[0]?.children ?? [];
  const head = (text: string, column: number): HTMLElement =>
    h("th", { scope: "col", class: cells[column]?.classList.contains("number") ? "number" : "" }, text);
  return h(
    "table",
    { class: "table" },
    h("thead", {}, h("tr", {}, ...heads.map(head))),
    h("tbody", {}, ...rows),
  );
}

const spell = (figure: Figure): string => {
  const value = toNumber(figure);
  return value === null || Number.isNaN(value)
    ? NOTHING
    : Number.isFinite(value)
      ? formatNumber(value)
      : String(figure);
};

const cell = (text: string): HTMLElement => h("td", { class: "number" }, text);

function valuesTable(values: Evidence["values"]): HTMLElement {
  return table(
    ["Series", "When gathered", "At the onset", "1 h before", "1 d before", "7 d before"],
    values.map(({ labels, now, onset, hourBefore, dayBefore, weekBefore }) =>
      h(
        "tr",
        {},
        h("td", {}, nameOf(labels)),
        ...[now, onset, hourBefore, dayBefore, weekBefore].map((one) => cell(spell(one))),
      ),
    ),
  );
}

function changedTable({ changed, startsAt }: Evidence, sparklines: readonly HTMLElement[]): HTMLElement {
  const onset = Date.parse(startsAt) / 1000;
  return table(
    ["Series", "Around the onset", "Before", "Since", "Change"],
    changed.map((one, index) =>
      h(
        "tr",
        {},
        h(
          "td",
          {},
          h("a", { href: exploreAddress(one, onset) }, nameOf(one.labels)),
          one.isRate && " a second",
        ),
        sparklines[index],
        cell(spell(one.before)),
        cell(spell(one.after)),
        cell(spellChange(one.before, one.after)),
      ),
    ),
  );
}

function exploreAddress(one: Changed, onset: number): string {
  const range = { kind: "absolute", from: onset - BEFORE, to: onset + AFTER } as const;
  return `/explore?${spellExplore({ queries: [changedQuery(one)], range })}`;
}

const nameOf = (labels: Labels): string =>
  [labels["__name__"], spellPairs(labels)].filter(Boolean).join(" · ") || "the expression";

function patternsTable(patterns: Evidence["logPatterns"]): HTMLElement {
  return table(
    ["Pattern", "Service", "Since the onset", "A minute before", "A minute since"],
    patterns.map(({ pattern, service, count, perMinuteBefore, perMinuteSince, example }) =>
      h(
        "tr",
        {},
        h(
          "td",
          {},
          h("code", {}, pattern),
          example !== pattern &&
            h(
              "details",
              {},
              h("summary", { class: "muted" }, "an example"),
              h("code", { class: "muted" }, example),
            ),
        ),
        h("td", {}, service),
        cell(String(count)),
        cell(spell(perMinuteBefore)),
        cell(spell(perMinuteSince)),
      ),
    ),
  );
}

function tracesTable(traces: Evidence["traces"]): HTMLElement {
  return table(
    ["At", "Service", "Name", "Took", "Trace"],
    traces.map(({ traceId, service, name, startMs, durationMs, isError }) => {
      const link = h(
        "a",
        { href: `/api/veriscope/v1/traces/${encodeURIComponent(traceId)}`, target: "_blank" },
        traceId.slice(0, 8),
      );
      return h(
        "tr",
        {},
        cell(formatClock(startMs / 1000)),
        h("td", {}, service),
        h("td", {}, name, isError && " ", isError && badge("error", "bad")),
        cell(formatSeconds(durationMs / 1000)),
        h("td", {}, link),
      );
    }),
  );
}

function eventList(events: Evidence["events"]): HTMLElement {
  return h(
    "ul",
    { class: "happenings" },
    ...events.map(({ time, kind, title, text, url }) =>
      h(
        "li",
        {},
        h("span", { class: "number muted" }, formatDateTime(Date.parse(time) / 1000)),
        badge(kind, "info"),
        isWebLink(url) ? webLink(url, title) : h("span", {}, title),
        text !== "" && h("span", { class: "muted" }, text),
      ),
    ),
  );
}

function hostList(host: Evidence["host"]): HTMLElement {
  const several = new Set(host.map(({ instance }) => instance)).size > 1;
  return h(
    "dl",
    { class: "annotations" },
    ...host.flatMap(({ instance, name, text }) => [
      h("dt", {}, several ? `${instance}: ${name}` : name),
      h("dd", {}, text),
    ]),
  );
}
