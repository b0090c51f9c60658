import { describe, expect, it } from "vitest";
import {
  formatExact,
  formatSeconds,
  formatTicks,
  formatValue,
  NOTHING,
  unitOfNames,
  type Unit,
} from "./units";

describe("formatValue", () => {
  it.each<[number, Unit, string]>([
    [0, "bytes", "0 B"],
    [1023, "bytes", "1023 B"],
    [1024, "bytes", "1 KiB"],
    [25_255_530_496, "bytes", "23.5 GiB"],
    [1023.9 * 1024, "bytes", "1 MiB"],
    [1536, "bytes/s", "1.5 KiB/s"],
    [0.8975, "ratio", "89.8%"],
    [1, "ratio", "100%"],
    [0.00014, "ratio", "0.01%"],
    [1e-9, "ratio", "0%"],
    [-0.00001, "ratio", "0%"],
    [1234.5, "number", "1.23k"],
    [999.6, "number", "1k"],
    [0.000012, "number", "1.20e-5"],
    [-2.5, "number", "−2.5"],
    [142, "count", "142"],
    [142_000, "count", "142k"],
    [768.2, "per second", "768/s"],
    [45.66, "celsius", "45.7 °C"],
    [312.4, "watts", "312 W"],
  ])("spells %d in %s as %s", (value, unit, text) => {
    expect(formatValue(value, unit)).toBe(text);
  });

  it("spells what is absent as a dash, and infinity as itself", () => {
    expect(formatValue(undefined, "bytes")).toBe(NOTHING);
    expect(formatValue(null, "bytes")).toBe(NOTHING);
    expect(formatValue(NaN, "ratio")).toBe(NOTHING);
    expect(formatValue(-Infinity, "ratio")).toBe("−∞");
  });
});

describe("formatSeconds", () => {
  it.each([
    [0, "0 s"],
    [2.5e-8, "25 ns"],
    [0.00085, "850 µs"],
    [0.0124, "12.4 ms"],
    [3.2, "3.2 s"],
    [59.99, "60 s"],
    [250, "4 min 10 s"],
    [3600, "1 h"],
    [183_600, "2 d 3 h"],
    [400 * 86_400, "1 y 35 d"],
    [-90, "−1 min 30 s"],
  ])("spells %d s as %s", (value, text) => {
    expect(formatSeconds(value)).toBe(text);
  });
});

describe("formatTicks", () => {
  it("uses as many digits as the distance of the ticks asks for", () => {
    const gib = 2 ** 30;
    expect(formatTicks([22.25 * gib, 22.5 * gib, 22.75 * gib], "bytes")).toEqual([
      "22.25 GiB",
      "22.5 GiB",
      "22.75 GiB",
    ]);
    expect(formatTicks([1000, 1002, 1004], "number")).toEqual(["1k", "1.002k", "1.004k"]);
    expect(formatTicks([0, 0.5, 1], "count")).toEqual(["0", "0.5", "1"]);
    expect(formatTicks([0, 0.25, 0.5], "ratio")).toEqual(["0%", "25%", "50%"]);
  });

  it("does with a single tick, or none", () => {
    expect(formatTicks([1], "number")).toEqual(["1"]);
    expect(formatTicks([], "number")).toEqual([]);
  });
});

describe("unitOfNames", () => {
  it.each<[string[], Unit]>([
    [["node_memory_MemFree_bytes", "node_memory_Cached_bytes"], "bytes"],
    [["gpu_utilization_ratio"], "ratio"],
    [["node_boot_time_seconds"], "number"],
    [["up"], "number"],
    [["a_bytes", "b_seconds"], "number"],
    [[""], "number"],
    [[], "number"],
  ])("reads %j as %s", (names, unit) => {
    expect(unitOfNames(names)).toBe(unit);
  });
});

it("formatExact spells every digit and the special values as Prometheus does", () => {
  expect([0.1, 81920659456, NaN, Infinity, -Infinity].map(formatExact)).toEqual([
    "0.1",
    "81920659456",
    "NaN",
    "+Inf",
    "-Inf",
  ]);
});
