import { describe, expect, it } from "vitest";
import { latest, parseSampleValue, readAnswer, spellLabels } from "./answers";

describe("readAnswer", () => {
  it("reads a matrix", () => {
    const answer = readAnswer({
      data: {
        resultType: "matrix",
        result: [
          {
            metric: { a: "b" },
            values: [
              [1, "2"],
              [2, "NaN"],
            ],
          },
        ],
      },
    });
    expect(answer).toEqual({
      kind: "matrix",
      series: [
        {
          labels: { a: "b" },
          points: [
            [1, 2],
            [2, NaN],
          ],
        },
      ],
      warnings: [],
    });
  });

  it("reads a vector, a scalar and a string", () => {
    const vector = readAnswer({
      data: { resultType: "vector", result: [{ metric: {}, value: [5, "+Inf"] }] },
    });
    expect(latest(vector.series[0])).toBe(Infinity);
    const scalar = readAnswer({ data: { resultType: "scalar", result: [5, "7"] } });
    expect(latest(scalar.series[0])).toBe(7);
    expect(readAnswer({ data: { resultType: "string", result: [5, "hello"] } }).text).toBe("hello");
  });

  it("hands on warnings and infos", () => {
    const answer = readAnswer({
      data: { resultType: "vector", result: [] },
      warnings: ["slow"],
      infos: ["not a counter"],
    });
    expect(answer.warnings).toEqual(["slow", "not a counter"]);
  });

  it("keeps the labels of a series without plain values", () => {
    const answer = readAnswer({
      data: { resultType: "vector", result: [{ metric: { a: "b" }, histogram: [5, {}] }] },
    });
    expect(answer.series).toEqual([{ labels: { a: "b" }, points: [] }]);
  });

  it("refuses a result type that it does not know", () => {
    expect(() => readAnswer({ data: { resultType: "cube", result: [] } })).toThrow("cube");
  });
});

it("reads the special values of Prometheus' JSON", () => {
  expect(["1e3", "NaN", "+Inf", "-Inf"].map(parseSampleValue)).toEqual([1000, NaN, Infinity, -Infinity]);
});

it("spells labels as PromQL does", () => {
  expect(spellLabels({ __name__: "up", job: 'a"b', instance: "x" })).toBe('up{instance="x", job="a\\"b"}');
  expect(spellLabels({ __name__: "up" })).toBe("up");
  expect(spellLabels({})).toBe("{}");
});
