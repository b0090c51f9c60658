import { describe, expect, it } from "vitest";

import {
  alertAddress,
  conditionOf,
  joinAlerts,
  severityOf,
  sortAlerts,
  type AlertingRule,
  type Rule,
  type RuleGroup,
} from "./model";

const TOLD = {
  fingerprint: "f1",
  annotations: {},
  startsAt: "2026-11-23T10:00:00Z",
  receivers: [{ name: "pager" }],
  status: {
    state: "active",
    silencedBy: [] as string[],
    inhibitedBy: [] as string[],
    mutedBy: [] as string[],
  },
};

function group(...alerts: AlertingRule["alerts"]): RuleGroup {
  const rule = { type: "alerting", name: "Down", query: "up == 0", labels: {}, health: "ok", alerts };
  const group = { name: "hosts", file: "rules.yml", interval: 15, rules: [rule as unknown as AlertingRule] };
  return group as unknown as RuleGroup;
}

const found = (state: "firing" | "pending", host: string) => ({
  labels: { alertname: "Down", host },
  annotations: {},
  state,
  activeAt: "2026-11-23T09:59:00Z",
  value: "0e+00",
});

describe("an alert", () => {
  it("has its value from the rule, its receivers from its way, and labels that were added", () => {
    const told = { ...TOLD, labels: { alertname: "Down", host: "a", cluster: "east" } };
    const [alert, ...rest] = joinAlerts([group(found("firing", "a"))], [told]);
    expect(rest).toEqual([]);
    expect(alert).toMatchObject({ state: "firing", value: 0, receivers: ["pager"], group: "hosts" });
    expect(alert!.labels["cluster"]).toBe("east");
    expect(alert!.since).toBe(Date.parse("2026-11-23T09:59:00Z") / 1000);
  });

  it("is suppressed where a silence or a time interval holds it back", () => {
    const states = [
      { state: "suppressed", silencedBy: ["1"] },
      { state: "active", mutedBy: ["nights"] },
    ].map((status) => ({ ...TOLD, labels: { alertname: "X" }, status: { ...TOLD.status, ...status } }));
    expect(states.map((told) => joinAlerts([], [told])[0]!.state)).toEqual(["suppressed", "suppressed"]);
  });

  it("is not taken for one with the same labels and more", () => {
    const told = [
      { ...TOLD, labels: { alertname: "Down", host: "a", path: "/", cluster: "east" } },
      { ...TOLD, labels: { alertname: "Down", host: "a", cluster: "east" }, fingerprint: "f2" },
    ];
    const alerts = joinAlerts([group(found("firing", "a"))], told);
    expect(alerts.map(({ fingerprint, group }) => [fingerprint, group])).toEqual([
      ["f2", "hosts"],
      ["f1", ""],
    ]);
  });

  it("is not told of while it is pending", () => {
    const told = [{ ...TOLD, labels: { alertname: "Down", host: "a" } }];
    const alerts = joinAlerts([group(found("pending", "a"))], told);
    expect(alerts.map(({ state, fingerprint }) => [state, fingerprint])).toEqual([
      ["pending", ""],
      ["firing", "f1"],
    ]);
  });

  it("is found among ten thousand without looking at each", () => {
    const hosts = Array.from({ length: 10_000 }, (_, host) => `h${host}`);
    let looks = 0;
    const told = hosts.map((host) => ({
      ...TOLD,
      get labels() {
        looks += 1;
        return { alertname: "Down", host, cluster: "east" };
      },
    }));
    const alerts = joinAlerts([group(...hosts.map((host) => found("firing", host)))], told);
    expect(alerts.every(({ rule, labels }) => rule !== null && labels["cluster"] === "east")).toBe(true);
    expect(looks).toBeLessThan(10 * hosts.length);
  });

  it("of another server stands without a rule", () => {
    const [alert] = joinAlerts([group()], [{ ...TOLD, labels: { alertname: "Else" } }]);
    expect(alert).toMatchObject({ name: "Else", rule: null, value: null, group: "" });
  });

  it("stands before those that are less bad, and before those that nobody is told of", () => {
    const alerts = joinAlerts(
      [group(found("pending", "p"), found("firing", "f"))],
      [
        { ...TOLD, labels: { alertname: "Info", severity: "info" } },
        { ...TOLD, labels: { alertname: "Page", severity: "page" } },
      ],
    );
    const names = sortAlerts(alerts).map(({ name, labels }) => labels["host"] ?? name);
    expect(names).toEqual(["Page", "Info", "f", "p"]);
  });

  it("has an address that names it by its labels", () => {
    const labels = { alertname: "Disk full", path: "/a b" };
    expect(alertAddress({ name: "Disk full", labels })).toBe(
      "/alerts/alert/Disk%20full?filter=path%3D%22%2Fa+b%22",
    );
  });
});

it.each([
  ["logs[5m] level:error | count > 0", "logs"],
  ["traces[5m] * | p95 by (service) > 2s", "traces"],
  ["logs > 0", null],
  ["max_over_time(logs[5m]) > 0", null],
  ["logs[5m:1m] > 0", null],
])("conditionOf(%j) is %j", (query, kind) => {
  expect(conditionOf({ query } as Rule)).toBe(kind);
});

it.each([
  [{ severity: "Critical" }, "bad"],
  [{ severity: "warning" }, "warn"],
  [{ severity: "odd" }, "none"],
  [{}, "none"],
])("severityOf(%j) is %s", (labels, tone) => {
  expect(severityOf(labels as Record<string, string>).tone).toBe(tone);
});
