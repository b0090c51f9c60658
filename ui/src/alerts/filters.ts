/** What the list of alerts shows, as the query string of its address. */

import { filterParams, readFilters, satisfying, spellMatcher, type Matcher } from "./matchers";
import type { Alert, State } from "./model";

export type Shown = State | "inactive";

const SHOWN: readonly Shown[] = ["firing", "pending", "suppressed", "inactive"];

export interface ListState {
  /** Null for all but what is inactive. */
  readonly state: Shown | null;
  readonly filters: readonly Matcher[];
  /** Filters of the address that cannot be applied. */
  readonly wrong: readonly string[];
  readonly search: string;
}

export function readList(search: string): ListState {
  const params = new URLSearchParams(search);
  return {
    state: SHOWN.find((state) => state === params.get("state")) ?? null,
    ...readFilters(params),
    search: params.get("search") ?? "",
  };
}

export function spellList({ state, filters, search }: ListState): string {
  const params = new URLSearchParams([...(state ? [["state", state]] : []), ...filterParams(filters)]);
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

/** What tells whether `list` shows an alert, its state aside. */
export function selecting({ filters, search }: ListState): (alert: Alert) => boolean {
  const satisfies = satisfying(filters);
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  return ({ labels, annotations }) => {
    if (!satisfies(labels)) return false;
    if (words.length === 0) return true;
    const text = [...Object.values(labels), ...Object.values(annotations)].join("\n").toLowerCase();
    return words.every((word) => text.includes(word));
  };
}
