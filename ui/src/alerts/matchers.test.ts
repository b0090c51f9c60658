import { describe, expect, it } from "vitest";

import {
  filterParams,
  matchersOf,
  parseMatcher,
  parseMatchers,
  readFilters,
  satisfying,
  spellMatcher,
  type Matcher,
} from "./matchers";

describe("matchers", () => {
  it.each([
    ['severity="critical"', { name: "severity", op: "=", value: "critical" }],
    ["severity=critical", { name: "severity", op: "=", value: "critical" }],
    [' path !~ "/a|/b" ', { name: "path", op: "!~", value: "/a|/b" }],
    ['note="say \\"no\\""', { name: "note", op: "=", value: 'say "no"' }],
    ["empty=", { name: "empty", op: "=", value: "" }],
    ['host=~"10\\.0\\..*"', { name: "host", op: "=~", value: "10\\.0\\..*" }],
    ['host=~"(?i)db"', { name: "host", op: "=~", value: "(?i)db" }],
    ['"http.route"="/"', { name: "http.route", op: "=", value: "/" }],
  ])("reads %j", (text, matcher) => {
    expect(parseMatcher(text)).toEqual(matcher);
  });

  it.each(["", "severity", '="x"', 'a="x', 'a=x"', '9a="x"'])("refuses %j", (text) => {
    expect(parseMatcher(text)).toBeNull();
  });

  it.each(['a"b', "line\nbreak", "back\\slash", "\\n", "tab\t, and comma", ""])(
    "reads back what it spelled for %j",
    (value) => {
      const matchers: Matcher[] = [
        { name: "a", op: "!=", value },
        { name: "http.route", op: "=", value },
      ];
      expect(matchers.map(spellMatcher).map(parseMatcher)).toEqual(matchers);
      expect(parseMatchers(matchers.map(spellMatcher).join("\n"))).toEqual(matchers);
      expect(parseMatchers(`{${matchers.map(spellMatcher).join(", ")}}`)).toEqual(matchers);
    },
  );

  it.each([
    ["", []],
    ["\n , \n", []],
    ['a="1,2"\n\nb=3,', ["a", "b"]],
    ['{a="}", b=~"x{2,3}"}', ["a", "b"]],
  ])("reads the list %j", (text, names) => {
    const matchers = parseMatchers(text) as Matcher[];
    expect(matchers.map(({ name }) => name)).toEqual(names);
  });

  it("names the first of a list that is none", () => {
    expect(parseMatchers('a="1", wrong\nb')).toBe("wrong");
    expect(parseMatchers('a="1')).toBe('a="1');
  });

  it("are read back from an address, but for those that cannot be tried here", () => {
    const filters = [parseMatcher('a="é&="')!, parseMatcher('b=~"("')!];
    expect(readFilters(filterParams(filters))).toEqual({ filters: [filters[0]], wrong: ['b=~"("'] });
  });

  it.each([
    ['a="x"', { a: "x" }, true],
    ['a=~"x|y"', { a: "xy" }, false],
    ['a!="x"', {}, true],
    ['a!~"x.*"', { a: "xyz" }, false],
    ['a=""', { b: "x" }, true],
  ])("%s on %j is %s, anchored, and missing is empty", (text, labels, expected) => {
    expect(satisfying([parseMatcher(text)!])(labels as Record<string, string>)).toBe(expected);
  });

  it("names the alert first", () => {
    expect(matchersOf({ a: "1", alertname: "Up" }).map(spellMatcher)).toEqual(['alertname="Up"', 'a="1"']);
  });
});
