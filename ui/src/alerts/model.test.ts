import { describe, expect, it } from "vitest";

import { alertAddress, joinAlerts, severityOf, sortAlerts, type AlertingRule, type RuleGroup } from "./model";

const TOLD = {
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
  [{ severity: "Critical" }, "bad"],
  [{ severity: "warning" }, "warn"],
  [{ severity: "odd" }, "none"],
  [{}, "none"],
])("severityOf(%j) is %s", (labels, tone) => {
  expect(severityOf(labels as Record<string, string>).tone).toBe(tone);
});
