import { describe, expect, it } from "vitest";

import { matchersOf, parseMatcher, satisfies, spellMatcher, type Matcher } from "./matchers";

describe("matchers", () => {
  it.each([
    ['severity="critical"', { name: "severity", op: "=", value: "critical" }],
    ["severity=critical", { name: "severity", op: "=", value: "critical" }],
    [' path !~ "/a|/b" ', { name: "path", op: "!~", value: "/a|/b" }],
    ['note="say \\"no\\""', { name: "note", op: "=", value: 'say "no"' }],
    ["empty=", { name: "empty", op: "=", value: "" }],
  ])("reads %j", (text, matcher) => {
    expect(parseMatcher(text)).toEqual(matcher);
  });

  it.each(["", "severity", '="x"', 'a="x', 'a=x"', '9a="x"', 'a=~"("'])("refuses %j", (text) => {
    expect(parseMatcher(text)).toBeNull();
  });

  it.each(['a"b', "line\nbreak", "back\\slash", ""])("reads back what it spelled for %j", (value) => {
    const matcher: Matcher = { name: "a", op: "!=", value };
    expect(parseMatcher(spellMatcher(matcher))).toEqual(matcher);
  });

  it.each([
    ['a="x"', { a: "x" }, true],
    ['a=~"x|y"', { a: "xy" }, false],
    ['a!="x"', {}, true],
    ['a!~"x.*"', { a: "xyz" }, false],
    ['a=""', { b: "x" }, true],
  ])("%s on %j is %s, anchored, and missing is empty", (text, labels, expected) => {
    expect(satisfies(labels as Record<string, string>, [parseMatcher(text)!])).toBe(expected);
  });

  it("names the alert first", () => {
    expect(matchersOf({ a: "1", alertname: "Up" }).map(spellMatcher)).toEqual(['alertname="Up"', 'a="1"']);
  });
});
