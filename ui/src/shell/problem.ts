/** One place that says what is wrong with the server, without moving the page. */

import { ApiError } from "../api/client";
import { h, setText } from "../dom/element";

const text = h("span");
const banner = h("div", { class: "problem", role: "alert", hidden: true }, text);

/** The element of the banner, to be placed once. */
export const problemBanner: HTMLElement = banner;

/** Show `error`, or nothing once it is over. */
export function reportProblem(error: unknown): void {
  banner.hidden = error === null;
  setText(text, error === null ? "" : explain(error));
}

/** Say what went wrong, and what happens now. */
export function explain(error: unknown): string {
  if (error instanceof ApiError && error.unreachable) return `${error.message} Trying again until it does.`;
  return error instanceof Error ? error.message : String(error);
}
