/** Start: the frame, then the page that the address names. */

import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/shell.css";
import "./styles/chart.css";

import { reportProblem } from "./shell/problem";
import { buildShell, type Page, type Place } from "./shell/shell";
import { startTheme } from "./shell/theme";

const PLACES: readonly Place[] = [
  {
    path: "/",
    name: "Overview",
    icon: "M4 4h7v9H4zM13 4h7v5h-7zM13 11h7v9h-7zM4 15h7v5H4z",
    open: async () => (await import("./overview/page")).openOverview(),
  },
  {
    path: "/alerts",
    also: ["/incidents", "/slos"],
    name: "Alerts",
    icon: "M6 16V11a6 6 0 1 1 12 0v5l2 2H4zM10 21h4",
    open: async () => (await import("./alerts/page")).openAlerts(),
  },
  {
    path: "/explore",
    name: "Explore",
    icon: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM15.5 8.5l-2 5-5 2 2-5z",
    open: async () => (await import("./explore/page")).openExplore(),
  },
  {
    path: "/dashboards",
    name: "Dashboards",
    icon: "M4 5h16v14H4zM4 10h16M10 10v9",
    open: async () => (await import("./dashboards/page")).openDashboards(),
  },
];

startTheme();
const show = buildShell(PLACES);
let shown: { place: Place; page: Page } | undefined;

function placeOfAddress(): Place {
  const here = `${location.pathname}/`;
  const isOf = (path: string): boolean => path !== "/" && here.startsWith(`${path}/`);
  return PLACES.find(({ path, also = [] }) => [path, ...also].some(isOf)) ?? PLACES[0]!;
}

async function route(): Promise<void> {
  const place = placeOfAddress();
  if (shown?.place === place) {
    shown.page.readAddress();
    return;
  }
  const page = await place.open();
  if (placeOfAddress() !== place) {
    // The reader went on while the page was loading.
    page.destroy();
    return;
  }
  shown?.page.destroy();
  reportProblem(null);
  shown = { place, page };
  show(place, page.element);
}

function navigate(): void {
  route().catch(() =>
    reportProblem(new Error("This page could not be loaded. Reload it once the server is back.")),
  );
}

document.addEventListener("click", (event) => {
  const link = (event.target as Element).closest("a[href]");
  if (!(link instanceof HTMLAnchorElement) || link.origin !== location.origin || link.hash) return;
  if (event.metaKey || event.ctrlKey || event.shiftKey || link.target) return;
  event.preventDefault();
  if (link.href === location.href) return;
  history.pushState(null, "", link.href);
  navigate();
});

addEventListener("popstate", navigate);
navigate();
