import { describe, expect, it } from "vitest";
import { expandTime, nameLine, thresholdToken } from "./model";

describe("expandTime", () => {
  it("fills the variables that Grafana dashboards use", () => {
    expect(expandTime("rate(a[$__rate_interval])", 15, 3600)).toBe("rate(a[1m])");
    expect(expandTime("rate(a[$__rate_interval])", 60, 3600)).toBe("rate(a[4m])");
    expect(expandTime("avg_over_time(a[${__interval}]) + increase(b[$__range])", 30, 3600)).toBe(
      "avg_over_time(a[30s]) + increase(b[1h])",
    );
  });

  it("leaves other text alone", () => {
    expect(expandTime('a{b="$__intervals"}', 15, 60)).toBe('a{b="$__intervals"}');
  });
});

describe("nameLine", () => {
  it("puts labels into the legend", () => {
    expect(nameLine("{{ job }} on {{host}}", { job: "api", host: "a" }, "up")).toBe("api on a");
  });

  it("falls back to labels, then to the expression", () => {
    expect(nameLine("", { job: "api" }, "up")).toBe('{job="api"}');
    expect(nameLine("", {}, "sum(up)")).toBe("sum(up)");
    expect(nameLine("{{none}}", { job: "api" }, "up")).toBe("up");
  });
});

describe("thresholdToken", () => {
  const thresholds = [
    { value: 90, color: "critical" },
    { value: 0, color: "good" },
    { value: 70, color: "warning" },
  ] as const;

  it("takes the highest threshold that is reached, whatever their order", () => {
    expect(thresholdToken(thresholds, 69)).toBe("good");
    expect(thresholdToken(thresholds, 70)).toBe("warn");
    expect(thresholdToken(thresholds, 95)).toBe("bad");
    expect(thresholdToken(thresholds, -1)).toBe(null);
  });
});
