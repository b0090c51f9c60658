/** Everything that the explore page shows, as the query string of its address. */

import { parseDuration, spellDuration } from "../format/time";

/** The stretch of time to show: the last `span` seconds, or between two fixed times (Unix seconds). */
export type TimeRange =
  | { readonly kind: "relative"; readonly span: number }
  | { readonly kind: "absolute"; readonly from: number; readonly to: number };

export type Tab = "graph" | "table";

export interface ExploreState {
  readonly queries: readonly string[];
  readonly tab: Tab;
  readonly range: TimeRange;
  /** Seconds between evaluations; null lets the page choose. */
  readonly step: number | null;
  /** Seconds between refreshes; null for none. */
  readonly refresh: number | null;
}

export const DEFAULT_STATE: ExploreState = {
  queries: [""],
  tab: "graph",
  range: { kind: "relative", span: 3600 },
  step: null,
  refresh: null,
};

/** Spell `state` as a query string; what is as by default is left out. */
export function spellExplore(state: Partial<ExploreState>): string {
  const { queries, tab, range, step, refresh } = { ...DEFAULT_STATE, ...state };
  const params = new URLSearchParams();
  for (const query of queries) if (query || queries.length > 1) params.append("q", query);
  if (range.kind === "absolute") {
    params.set("from", spellTime(range.from));
    params.set("to", spellTime(range.to));
  } else if (range.span !== 3600) params.set("range", spellDuration(range.span));
  if (tab !== DEFAULT_STATE.tab) params.set("tab", tab);
  if (step !== null) params.set("step", spellDuration(step));
  if (refresh !== null) params.set("refresh", spellDuration(refresh));
  return params.toString();
}

/** Read what `spellExplore` wrote; what is missing or makes no sense is as by default. */
export function readExplore(search: string): ExploreState {
  const params = new URLSearchParams(search);
  const queries = params.getAll("q");
  return {
    queries: queries.length > 0 ? queries : DEFAULT_STATE.queries,
    tab: params.get("tab") === "table" ? "table" : "graph",
    range: readRange(params),
    step: parseDuration(params.get("step") ?? ""),
    refresh: parseDuration(params.get("refresh") ?? ""),
  };
}

function readRange(params: URLSearchParams): TimeRange {
  const from = Date.parse(params.get("from") ?? "") / 1000;
  const to = Date.parse(params.get("to") ?? "") / 1000;
  if (from < to) return { kind: "absolute", from, to };
  const span = parseDuration(params.get("range") ?? "");
  return span === null ? DEFAULT_STATE.range : { kind: "relative", span };
}

/** UTC with milliseconds, so that a link means the same in every time zone. */
function spellTime(seconds: number): string {
  return new Date(Math.round(seconds * 1000)).toISOString();
}

/** Points across the graph when the step is chosen by the page. */
const AUTO_POINTS = 300;
/** More steps than this are refused by the API. */
export const MOST_STEPS = 11_000;
const NICE_STEPS = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400,
];

/** The step for `span` seconds: `wanted`, or a round one that gives some 300 points. */
export function chooseStep(span: number, wanted: number | null): number {
  if (wanted !== null) return Math.max(wanted, Math.ceil((span / MOST_STEPS) * 1000) / 1000);
  const ideal = span / AUTO_POINTS;
  return NICE_STEPS.find((step) => step >= ideal) ?? Math.ceil(ideal / 86_400) * 86_400;
}
