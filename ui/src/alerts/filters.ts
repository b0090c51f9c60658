/** What the list of alerts shows, as the query string of its address. */

import { parseMatcher, satisfies, spellMatcher, type Matcher } from "./matchers";
import type { Alert, State } from "./model";

export type Shown = State | "inactive";

const SHOWN: readonly Shown[] = ["firing", "pending", "suppressed", "inactive"];

export interface ListState {
  /** Null for all but what is inactive. */
  readonly state: Shown | null;
  readonly filters: readonly Matcher[];
  readonly search: string;
}

export function readList(search: string): ListState {
  const params = new URLSearchParams(search);
  return {
    state: SHOWN.find((state) => state === params.get("state")) ?? null,
    filters: params
      .getAll("filter")
      .map(parseMatcher)
      .filter((one) => one !== null),
    search: params.get("search") ?? "",
  };
}

export function spellList({ state, filters, search }: ListState): string {
  const params = new URLSearchParams();
  if (state) params.set("state", state);
  for (const one of filters) params.append("filter", spellMatcher(one));
  if (search) params.set("search", search);
  const text = params.toString();
  return `/alerts${text ? `?${text}` : ""}`;
}

/** `list` with one filter more; the same filter twice is one. */
export function withFilter(list: ListState, filter: Matcher): ListState {
  return { ...list, filters: [...withoutFilter(list, filter).filters, filter] };
}

export function withoutFilter(list: ListState, filter: Matcher): ListState {
  const text = spellMatcher(filter);
  return { ...list, filters: list.filters.filter((one) => spellMatcher(one) !== text) };
}

/** Whether `list` shows `alert`, its state aside. */
export function selects({ filters, search }: ListState, { labels, annotations }: Alert): boolean {
  const text = [...Object.values(labels), ...Object.values(annotations)].join("\n").toLowerCase();
  const words = search.toLowerCase().split(/\s+/);
  return satisfies(labels, filters) && words.every((word) => text.includes(word));
}
