import { expect, it } from "vitest";

import { actionsOf, finding, incidentAddress, type Incident } from "./model";

const INCIDENT = {
  id: "INC-42",
  title: "DiskFull on db-1",
  severity: "critical",
  assignee: "ada",
  labels: { service: "store" },
} as unknown as Incident;

it.each([
  ["", true],
  ["inc-42", true],
  ["diskfull ADA", true],
  ["store critical", true],
  ["web", false],
])("finds by every word: %j %s", (search, found) => {
  expect(finding(search)(INCIDENT)).toBe(found);
});

it("offers what comes next first", () => {
  expect(actionsOf("open")[0]).toBe("acknowledge");
  expect(actionsOf("acknowledged")[0]).toBe("resolve");
  expect(actionsOf("resolved")).toEqual(["reopen", "comment"]);
});

it("has an address for an incident", () => {
  expect(incidentAddress("INC-42")).toBe("/incidents/INC-42");
});
