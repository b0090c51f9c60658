import { expect, it } from "vitest";

import { splitComparison } from "./threshold";

it.each([
  ["up == 0", "up", "==", 0],
  ["rate(a[5m]) / rate(b[5m]) > 0.05", "rate(a[5m]) / rate(b[5m])", ">", 0.05],
  ['sum(x{path="/a>b"}) <= -1e3', 'sum(x{path="/a>b"})', "<=", -1000],
  ["count(up == 0) > 2", "count(up == 0)", ">", 2],
  ["a>=3", "a", ">=", 3],
])("%s has a threshold", (text, expr, op, threshold) => {
  expect(splitComparison(text)).toEqual({ expr, op, threshold });
});

it.each(["a > b", "a > 1 and b > 2", "absent(up)", "a > bool 1", 'x{a="> 1"}', "> 1"])(
  "%s has none",
  (text) => {
    expect(splitComparison(text)).toBeNull();
  },
);
