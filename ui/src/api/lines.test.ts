import { describe, expect, it } from "vitest";
import type { Series } from "./answers";
import { alignedGrid, gridTimes, joinLines, lastValue, stackLines, toLines, type Line } from "./lines";

const GRID = { start: 100, end: 108, step: 2 };
const series = (name: string, ...points: [number, number][]): Series => ({ labels: { name }, points });
const line = (name: string, ...values: (number | null)[]): Line => ({
  key: `{name="${name}"}`,
  labels: { name },
  values,
});

describe("grids", () => {
  it("lie on whole multiples of their step and cover the span", () => {
    const grid = alignedGrid(1001.7, 10, 4);
    expect(grid).toEqual({ start: 988, end: 1000, step: 4 });
    expect(gridTimes(grid)).toEqual([988, 992, 996, 1000]);
  });

  it("count fractions of a second without rounding a step away", () => {
    expect(gridTimes({ start: 0, end: 0.3, step: 0.1 })).toHaveLength(4);
  });
});

describe("toLines", () => {
  it("puts each point on its step and leaves gaps", () => {
    const [found] = toLines([series("a", [100, 1], [104, 3], [108, 5])], GRID);
    expect(found).toEqual(line("a", 1, null, 3, null, 5));
  });

  it("draws neither NaN nor infinity, nor points outside the grid", () => {
    const [found] = toLines([series("a", [98, 9], [100, NaN], [102, Infinity], [104, 1], [110, 9])], GRID);
    expect(found?.values).toEqual([null, null, 1, null, null]);
  });
});

describe("joinLines", () => {
  const part = { start: 106, end: 112, step: 2 };
  const whole = { start: 104, end: 112, step: 2 };

  it("moves what was kept and lets the fresh part win where both have a step", () => {
    const joined = joinLines([line("a", 1, 2, 3, 4, 5)], GRID, [line("a", 40, 50, 60, 70)], part, whole);
    expect(joined).toEqual([line("a", 3, 40, 50, 60, 70)]);
  });

  it("takes in series that are new, keeps those that ended, and drops those that scrolled away", () => {
    const kept = [line("ended", null, null, 3, null, null), line("gone", 1, 2, null, null, null)];
    const joined = joinLines(kept, GRID, [line("new", null, null, 6, 7)], part, whole);
    expect(joined).toEqual([line("ended", 3, null, null, null, null), line("new", null, null, null, 6, 7)]);
  });

  it("gives what one query over the whole grid would have given", () => {
    const points: [number, number][] = Array.from({ length: 9 }, (_, index) => [100 + index * 2, index]);
    const all = [series("a", ...points)];
    expect(joinLines(toLines(all, GRID), GRID, toLines(all, part), part, whole)).toEqual(toLines(all, whole));
  });
});

it("stackLines adds each line to those before it, and a gap adds nothing", () => {
  const stacked = stackLines([line("a", 1, null, null), line("b", 2, 3, null)]);
  expect(stacked.map(({ values }) => values)).toEqual([
    [1, null, null],
    [3, 3, null],
  ]);
});

it("lastValue looks back a little, not for ever", () => {
  expect(lastValue(line("a", 1, 2, null))).toBe(2);
  expect(lastValue(line("a", 1, null, null, null))).toBeNull();
  expect(lastValue(undefined)).toBeNull();
});
