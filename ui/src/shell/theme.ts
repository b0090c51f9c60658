/** Light, dark, or as the system says; remembered in this browser. */

import { forgetTokens } from "../chart/palette";

export type Theme = "system" | "light" | "dark";

const KEY = "veriscope.theme";
const ORDER: readonly Theme[] = ["system", "light", "dark"];
const darkSystem = matchMedia("(prefers-color-scheme: dark)");

export function currentTheme(): Theme {
  const saved = localStorage.getItem(KEY);
  return ORDER.find((theme) => theme === saved) ?? "system";
}

/** Apply the remembered theme and follow the system's changes. */
export function startTheme(): void {
  paint();
  darkSystem.addEventListener("change", paint);
}

/** Go on to the next theme, and return it. */
export function nextTheme(): Theme {
  const theme = ORDER[(ORDER.indexOf(currentTheme()) + 1) % ORDER.length]!;
  localStorage.setItem(KEY, theme);
  paint();
  return theme;
}

function paint(): void {
  const theme = currentTheme();
  const dark = theme === "dark" || (theme === "system" && darkSystem.matches);
  document.documentElement.dataset["theme"] = dark ? "dark" : "light";
  forgetTokens();
  document.dispatchEvent(new Event("themechange"));
}
