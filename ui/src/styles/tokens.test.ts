import { describe, expect, it } from "vitest";
import css from "./tokens.css?raw";

/** The tokens of one theme, `#rrggbb` only. */
function tokens(block: string): Map<string, string> {
  return new Map(
    [...block.matchAll(/--([\w-]+): (#[0-9a-f]{6});/g)].map(([, name, value]) => [name!, value!]),
  );
}

/** Relative luminance, https://www.w3.org/TR/WCAG22/#dfn-relative-luminance */
function luminance(color: string): number {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const channel = parseInt(color.slice(at, at + 2), 16) / 255;
    return channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** Contrast ratio, https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio */
function contrast(one: string, other: string): number {
  const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b) as [number, number];
  return (light + 0.05) / (dark + 0.05);
}

const [light, dark] = css.split(':root[data-theme="dark"]') as [string, string];
const CODE = ["code-function", "code-keyword", "code-label", "code-string", "code-number"];
const TEXT_ON: [text: string, ground: string][] = [
  ...["bg", "surface", "surface-raised", "surface-sunken"].flatMap((ground): [string, string][] => [
    ["text", ground],
    ["text-muted", ground],
  ]),
  ...CODE.map((name): [string, string] => [name, "surface"]),
  ["accent", "surface"],
  ["accent", "surface-raised"],
  ["accent", "accent-soft"],
  ["text", "accent-soft"],
  ["on-accent", "accent"],
  ["good", "good-soft"],
  ["warn", "warn-soft"],
  ["bad", "bad-soft"],
];

describe.each([
  ["light", tokens(light)],
  ["dark", tokens(dark)],
])("the %s theme", (_, theme) => {
  it.each(TEXT_ON)("can be read: %s on %s has the contrast of WCAG AA", (text, ground) => {
    expect(contrast(theme.get(text)!, theme.get(ground)!)).toBeGreaterThanOrEqual(4.5);
  });

  it.each(Array.from({ length: 10 }, (_unused, index) => `series-${index + 1}`))(
    "shows %s as AA asks of graphics",
    (name) => {
      expect(contrast(theme.get(name)!, theme.get("surface")!)).toBeGreaterThanOrEqual(3);
    },
  );
});
