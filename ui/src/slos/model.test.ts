import { expect, it } from "vitest";

import type { Labels } from "../api/answers";
import { objectivesOf, toneOf } from "./model";

const SLOTH = { sloth_id: "chat-answers", sloth_service: "chat", sloth_slo: "answers" };
const OPEN = { slo_id: "image-late", slo_service: "image", slo_name: "late" };

const one = (name: string, labels: Labels, value: number) => ({
  labels: { __name__: name, ...labels },
  points: [[0, value]] as [number, number][],
});

const SERIES = [
  one("slo:objective:ratio", SLOTH, 0.99),
  one("slo:error_budget:ratio", SLOTH, 0.01),
  one("slo:time_period:days", SLOTH, 28),
  one("slo:period_error_budget_remaining:ratio", SLOTH, 0.5),
  one("slo:sli_error:ratio_rate1h", { ...SLOTH, sloth_window: "1h" }, 0.02),
  one("slo:sli_error:ratio_rate5m", { ...SLOTH, sloth_window: "5m" }, NaN),
  one("slo:sli_error:ratio_rate30d", { ...SLOTH, sloth_window: "28d" }, 0.005),
  one("slo:objective:ratio", OPEN, 0.9),
  one("slo:error_budget:ratio", OPEN, 0.1),
  one("slo:period_error_budget_remaining:ratio", OPEN, -0.2),
];

it("puts together what is recorded, by either family of labels, the worst first", () => {
  const [open, sloth, ...rest] = objectivesOf({ series: SERIES });
  expect(rest).toEqual([]);
  expect(open).toMatchObject({ service: "image", name: "late", left: -0.2, periodDays: 30, burnRates: [] });
  expect(sloth).toMatchObject({ id: "chat-answers", objective: 0.99, periodDays: 28, left: 0.5 });
  expect(sloth!.burnRates).toEqual([
    { window: "5m", rate: null },
    { window: "1h", rate: 2 },
    { window: "28d", rate: 0.5 },
  ]);
});

it("leaves out what is not recorded whole", () => {
  expect(objectivesOf({ series: [one("slo:objective:ratio", SLOTH, 0.99)] })).toEqual([]);
});

it.each([
  [-0.1, "bad"],
  [0, "bad"],
  [0.1, "warn"],
  [0.9, "good"],
  [null, "none"],
])("a budget of which %j is left is %s", (left, tone) => {
  expect(toneOf(left)).toBe(tone);
});
