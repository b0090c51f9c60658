/** The windows of the overview, and what its views need at a moment. */

import { queryInstant, serverNow } from "../api/client";
import type { Answer } from "../api/answers";
import { alignedGrid, type Grid } from "../api/lines";
import { spellDuration } from "../format/time";
import type { Facts } from "./facts";

/** A stretch of time that the overview can show, in seconds. */
export interface TimeWindow {
  readonly name: string;
  readonly span: number;
  readonly step: number;
}

export const WINDOWS: readonly TimeWindow[] = [
  { name: "5m", span: 300, step: 2 },
  { name: "15m", span: 900, step: 5 },
  { name: "1h", span: 3600, step: 15 },
  { name: "6h", span: 21_600, step: 60 },
];

/** What every view of the overview needs to refresh itself. */
export interface Moment {
  readonly facts: Facts;
  readonly grid: Grid;
  readonly signal: AbortSignal;
  readonly expand: (expr: string) => string;
}

/** The evaluation grid of `window` at this moment. */
export function currentGrid({ span, step }: TimeWindow): Grid {
  return alignedGrid(serverNow(), span, step);
}

/**
 * Return the function that fills `$host`, `$rate`, `$recent` and `$self` into an expression.
 *
 * Windows hold four samples at least, so that a rate outlives one missed collection.
 */
export function expander(instance: string, interval: number, step: number): (expr: string) => string {
  const recent = Math.max(10, 4 * interval);
  const values: Record<string, string> = {
    $host: `instance=${JSON.stringify(instance)}`,
    $rate: spellDuration(Math.ceil(Math.max(15, recent, step))),
    $recent: spellDuration(Math.ceil(recent)),
    $self: spellDuration(Math.max(30, step)),
  };
  return (expr) => expr.replace(/\$(host|rate|recent|self)\b/g, (name) => values[name]!);
}

/** Ask for `expr` as it stands now. */
export function askNow(moment: Moment, expr: string): Promise<Answer> {
  return queryInstant(moment.expand(expr), { signal: moment.signal });
}
