/** Colours come from the CSS tokens, so that the theme is decided in one place. */

const PALETTE_SIZE = 10;

let cache = new Map<string, string>();

/** The value of the CSS variable `--name` in the theme of the moment. */
export function token(name: string): string {
  let value = cache.get(name);
  if (value === undefined) {
    value = getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
    cache.set(name, value);
  }
  return value;
}

/** Forget the colours of the old theme. */
export function forgetTokens(): void {
  cache = new Map();
}

/** The token of the `index`-th series of a chart; past ten they come again, dashed. */
export function seriesToken(index: number): string {
  return `series-${(index % PALETTE_SIZE) + 1}`;
}

/** The dash pattern of the `index`-th series, so that the same colour is not the same line. */
export function seriesDash(index: number): number[] {
  const round = Math.floor(index / PALETTE_SIZE);
  return round === 0
    ? []
    : [
        [6, 3],
        [2, 3],
        [10, 3, 2, 3],
      ][(round - 1) % 3]!;
}
