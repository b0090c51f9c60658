import { describe, expect, it } from "vitest";
import { chooseStep, DEFAULT_STATE, MOST_STEPS, readExplore, spellExplore, type ExploreState } from "./state";

const STATES: ExploreState[] = [
  DEFAULT_STATE,
  { ...DEFAULT_STATE, queries: ['sum by (a) (rate(x{b="c&d=e+f"}[5m]))'] },
  { ...DEFAULT_STATE, queries: ["up", "", "a + b"], tab: "table" },
  { ...DEFAULT_STATE, queries: ["up"], range: { kind: "relative", span: 5400 }, step: 0.25, refresh: 5 },
  {
    ...DEFAULT_STATE,
    queries: ["up"],
    range: { kind: "absolute", from: 1_764_000_000.125, to: 1_764_003_600 },
    step: 60,
  },
];

describe("the address of the explore page", () => {
  it.each(STATES)("reads back as it was spelled: %j", (state) => {
    expect(readExplore(spellExplore(state))).toEqual(state);
  });

  it("is empty for an empty page", () => {
    expect(spellExplore(DEFAULT_STATE)).toBe("");
  });

  it("reads nonsense as the default", () => {
    expect(readExplore("?range=soon&tab=pie&step=x&refresh=-1&from=b&to=a")).toEqual(DEFAULT_STATE);
  });

  it("ignores a range that ends before it begins", () => {
    expect(readExplore("?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z").range).toEqual(
      DEFAULT_STATE.range,
    );
  });
});

describe("chooseStep", () => {
  it.each([
    [300, 1],
    [3600, 15],
    [86_400, 300],
    [2_592_000, 10_800],
    [40_000_000, 172_800],
  ])("gives %d s some three hundred round steps of %d s", (span, step) => {
    expect(chooseStep(span, null)).toBe(step);
  });

  it("keeps to the step that was asked for, as far as the API allows", () => {
    expect(chooseStep(3600, 7)).toBe(7);
    expect(86_400 / chooseStep(86_400, 1)).toBeLessThanOrEqual(MOST_STEPS);
  });
});
