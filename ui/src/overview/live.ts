/** Range queries that follow the clock, asking only for what is new. */

import { queryInstant, queryRange, serverNow } from "../api/client";
import type { Answer } from "../api/answers";
import { alignedGrid, joinLines, toLines, type Grid, type Line } from "../api/lines";
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

/** The newest steps are asked for again: a sample may arrive a little after its time. */
const OVERLAP_STEPS = 3;

export class LiveRange {
  #kept: { readonly expr: string; readonly grid: Grid; readonly lines: Line[] } | undefined;

  /** The lines of `expr` on `grid`, which must end where the last one did or later. */
  async update(expr: string, grid: Grid, signal: AbortSignal): Promise<Line[]> {
    const kept = this.#kept;
    const goesOn =
      kept?.expr === expr &&
      kept.grid.step === grid.step &&
      kept.grid.end <= grid.end &&
      kept.grid.end > grid.start;
    if (!kept || !goesOn || grid.start < kept.grid.start) {
      this.#kept = { expr, grid, lines: toLines((await queryRange(expr, grid, signal)).series, grid) };
    } else if (kept.grid.end < grid.end) {
      const start = Math.max(grid.start, kept.grid.end - OVERLAP_STEPS * grid.step);
      const part = { ...grid, start };
      const fresh = toLines((await queryRange(expr, part, signal)).series, part);
      this.#kept = { expr, grid, lines: joinLines(kept.lines, kept.grid, fresh, part, grid) };
    }
    return this.#kept!.lines;
  }
}

/** Ask for `expr` as it stands now. */
export function askNow(moment: Moment, expr: string): Promise<Answer> {
  return queryInstant(moment.expand(expr), { signal: moment.signal });
}
