import { expect, it } from "vitest";
import { runs } from "./sparkline";

it("runs splits a line at its gaps", () => {
  expect(runs([null, 1, 2, null, null, 3])).toEqual([
    [
      [1, 1],
      [2, 2],
    ],
    [[5, 3]],
  ]);
  expect(runs([])).toEqual([]);
});
