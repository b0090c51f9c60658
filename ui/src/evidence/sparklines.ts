/** Small curves beside the series that changed, around the onset. */

import { queryRange } from "../api/client";
import { alignedGrid, toLines } from "../api/lines";
import { Sparkline } from "../chart/sparkline";
import { chooseStep } from "../explore/state";
import { changedQuery, type Evidence } from "./model";

const BEFORE = 1800;
const AFTER = 900;

/** Fill each of `cells` with the curve of the series of the same place; one that cannot be had stays empty. */
export async function drawSparklines(
  { changed, startsAt }: Evidence,
  cells: readonly HTMLElement[],
  signal: AbortSignal,
): Promise<void> {
  const end = Date.parse(startsAt) / 1000 + AFTER;
  const grid = alignedGrid(end, BEFORE + AFTER, chooseStep(BEFORE + AFTER, null));
  await Promise.all(
    changed.map(async (one, index) => {
      const curve = new Sparkline();
      cells[index]!.append(curve.element);
      try {
        const [line] = toLines((await queryRange(changedQuery(one), grid, signal)).series, grid);
        curve.draw(grid, line);
      } catch {
        // Who has left the page, or a series that is gone: the figures beside it still stand.
        curve.element.remove();
      }
    }),
  );
}
