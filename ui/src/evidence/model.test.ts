import { expect, it } from "vitest";

import { changedQuery, spellChange, toNumber } from "./model";

it.each([
  [{ __name__: "load", host: "a" }, false, 'load{host="a"}'],
  [{ __name__: "requests_total" }, true, "rate(requests_total[5m])"],
])("asks for what changed as it was compared: %j", (labels, isRate, query) => {
  expect(changedQuery({ labels: labels as unknown as Record<string, string>, isRate })).toBe(query);
});

it.each([
  [2, 6.4, "×3.2"],
  [1, 250, "×250"],
  [4, 1, "×0.25"],
  [0, 5, ""],
  [null, 5, ""],
  [1, "+Inf", ""],
  [-1, 1, ""],
])("spells the change from %j to %j as %j", (before, after, text) => {
  expect(spellChange(before, after)).toBe(text);
});

it("reads numbers that JSON does not have", () => {
  expect([1.5, "+Inf", null].map(toNumber)).toEqual([1.5, Infinity, null]);
});
