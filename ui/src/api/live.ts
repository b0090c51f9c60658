/** Range queries that follow the clock, asking only for what is new. */

import { queryRange } from "./client";
import { joinLines, toLines, type Grid, type Line } from "./lines";

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
