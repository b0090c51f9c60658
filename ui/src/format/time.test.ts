import { describe, expect, it } from "vitest";
import { fromLocalInput, parseDuration, spellDuration, tickLabel, toLocalInput } from "./time";

describe("durations", () => {
  it.each([
    ["15s", 15],
    ["1h30m", 5400],
    ["250ms", 0.25],
    ["1.5h", 5400],
    ["2w", 1_209_600],
    [" 30 ", 30],
  ])("reads %j as %d seconds", (text, seconds) => {
    expect(parseDuration(text)).toBe(seconds);
  });

  it.each(["", "abc", "5x", "0", "0s", "-5m", "1h zzz"])("refuses %j", (text) => {
    expect(parseDuration(text)).toBeNull();
  });

  it.each([0.25, 1, 15, 60, 90, 3600, 86_400, 100_000, 31_536_000])(
    "reads back what it spelled for %d",
    (seconds) => {
      expect(parseDuration(spellDuration(seconds))).toBe(seconds);
    },
  );
});

describe("times", () => {
  it("reads back what it put into a field", () => {
    const moment = new Date(2026, 10, 23, 4, 5, 6).getTime() / 1000;
    expect(toLocalInput(moment)).toBe("2026-11-23T04:05:06");
    expect(fromLocalInput(toLocalInput(moment))).toBe(moment);
    expect(fromLocalInput("")).toBeNull();
  });

  it("labels ticks by the clock, and midnight by the date", () => {
    const noon = new Date(2026, 10, 23, 12, 0, 5).getTime() / 1000;
    const midnight = new Date(2026, 10, 23).getTime() / 1000;
    expect(tickLabel(noon, 5)).toBe("12:00:05");
    expect(tickLabel(noon, 300)).toBe("12:00");
    expect(tickLabel(midnight, 300)).toBe("11-23");
  });
});
