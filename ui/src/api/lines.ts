/** Range answers as columns on one time grid: what a chart draws. */

import { spellLabels, type Labels, type Series } from "./answers";

/** Evaluation times `start`, `start + step`, … up to `end`, in Unix seconds. */
export interface Grid {
  readonly start: number;
  readonly end: number;
  readonly step: number;
}

/** One value for each step of a grid; null where there is no point. */
export interface Line {
  readonly key: string;
  readonly labels: Labels;
  readonly values: (number | null)[];
}

/** Count the steps of `grid`. */
export function gridLength({ start, end, step }: Grid): number {
  return Math.floor((end - start) / step + 1e-6) + 1;
}

/** Every step of `grid`. */
export function gridTimes(grid: Grid): number[] {
  return Array.from({ length: gridLength(grid) }, (_, index) => grid.start + index * grid.step);
}

/** The grid of the `span` seconds before `now`, on whole multiples of `step`, so that steps stay put. */
export function alignedGrid(now: number, span: number, step: number): Grid {
  const end = Math.floor(now / step) * step;
  return { start: end - Math.ceil(span / step) * step, end, step };
}

/** Lay series on `grid`. NaN and infinities have no place on a chart and become gaps. */
export function toLines(series: readonly Series[], grid: Grid): Line[] {
  const length = gridLength(grid);
  return series.map(({ labels, points }) => {
    const values = new Array<number | null>(length).fill(null);
    for (const [time, value] of points) {
      const index = Math.round((time - grid.start) / grid.step);
      if (index >= 0 && index < length && Number.isFinite(value)) values[index] = value;
    }
    return { key: spellLabels(labels), labels, values };
  });
}

/**
 * Join lines kept from an earlier answer with the newest part.
 *
 * `kept` lies on `from`, `fresh` on `part`, and the answer on `whole`; all three share one step
 * and lie on multiples of it. Where `part` covers a step it wins. Lines that are empty in the
 * end are left out.
 */
export function joinLines(
  kept: readonly Line[],
  from: Grid,
  fresh: readonly Line[],
  part: Grid,
  whole: Grid,
): Line[] {
  const length = gridLength(whole);
  const firstFresh = Math.round((part.start - whole.start) / whole.step);
  const shift = Math.round((whole.start - from.start) / whole.step);
  const joined = new Map<string, Line>();
  for (const { key, labels, values } of kept) {
    const moved = Array.from({ length }, (_, index) =>
      index < firstFresh ? (values[index + shift] ?? null) : null,
    );
    joined.set(key, { key, labels, values: moved });
  }
  for (const { key, labels, values } of fresh) {
    const line = joined.get(key) ?? { key, labels, values: new Array<number | null>(length).fill(null) };
    values.forEach((value, index) => {
      if (index + firstFresh >= 0 && index + firstFresh < length) line.values[index + firstFresh] = value;
    });
    joined.set(key, line);
  }
  return [...joined.values()].filter(({ values }) => values.some((value) => value !== null));
}

/** Add each line to those before it; a gap adds nothing where some other line has a value. */
export function stackLines(lines: readonly Line[]): Line[] {
  const total: (number | null)[] = [];
  return lines.map((line) => {
    line.values.forEach((value, index) => {
      if (value !== null) total[index] = (total[index] ?? 0) + value;
    });
    return { ...line, values: line.values.map((_, index) => total[index] ?? null) };
  });
}

/** The newest value of a line, looking back at most `steps`; null where there is none. */
export function lastValue(line: Line | undefined, steps = 3): number | null {
  for (let index = 1; line && index <= steps; index += 1) {
    const value = line.values.at(-index);
    if (value !== null && value !== undefined) return value;
  }
  return null;
}
