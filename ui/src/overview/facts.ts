/** What is known of a host at one moment: the newest values of many metrics. */

import { latest, type Answer, type Labels, type Series } from "../api/answers";
import { formatSeconds } from "../format/units";

/** A machine whose metrics the server holds. */
export interface Host {
  readonly instance: string;
  readonly name: string;
}

/** The query that finds the hosts: each has memory, and most say their name. */
export const HOSTS_QUERY = '{__name__=~"node_uname_info|node_memory_MemTotal_bytes"}';

/** Read the answer to `HOSTS_QUERY`. */
export function readHosts(answer: Answer): Host[] {
  const names = new Map<string, string>();
  for (const { labels } of answer.series) {
    const instance = labels["instance"] ?? "";
    names.set(instance, labels["nodename"] ?? names.get(instance) ?? instance);
  }
  return [...names]
    .map(([instance, name]) => ({ instance, name }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The whole seconds between the samples of a series, at least one; one where it has not two yet. */
export function collectionInterval(series: Series | undefined): number {
  const points = series?.points ?? [];
  const [first, last] = [points[0], points.at(-1)];
  if (!first || !last || points.length < 2) return 1;
  return Math.max(1, Math.round((last[0] - first[0]) / (points.length - 1)));
}

/** The newest values of many metrics, by name. */
export class Facts {
  readonly #byName = new Map<string, Series[]>();

  constructor(answers: readonly Answer[]) {
    for (const series of answers.flatMap((answer) => answer.series)) {
      const name = series.labels["__name__"] ?? "";
      this.#byName.set(name, [...(this.#byName.get(name) ?? []), series]);
    }
  }

  has(name: string): boolean {
    return this.#byName.has(name);
  }

  all(name: string): readonly Series[] {
    return this.#byName.get(name) ?? [];
  }

  /** The value of a metric that has one series, or the first of several. */
  value(name: string): number | undefined {
    return latest(this.all(name)[0]);
  }

  labels(name: string): Labels {
    return this.all(name)[0]?.labels ?? {};
  }
}

/** The line under a host's name: `Linux 6.1.0 · x86_64 · 8 cores · up 3 d 4 h`. */
export function describeHost(facts: Facts, now: number): string {
  const uname = facts.labels("node_uname_info");
  const boot = facts.value("node_boot_time_seconds");
  const cores = facts.all("node_cpu_seconds_total").length;
  return [
    [uname["sysname"], uname["release"]].filter(Boolean).join(" "),
    uname["machine"],
    cores > 0 && `${cores} core${cores === 1 ? "" : "s"}`,
    boot !== undefined && `up ${formatSeconds(wholeMinutes(now - boot))}`,
  ]
    .filter(Boolean)
    .join(" · ");
}

/** Seconds that tick in a heading would only distract. */
function wholeMinutes(seconds: number): number {
  return Math.max(60, Math.floor(seconds / 60) * 60);
}

/** A mounted file system. */
export interface Filesystem {
  readonly mountpoint: string;
  readonly device: string;
  readonly size: number;
  readonly used: number;
}

const NOT_DISKS = new Set(["tmpfs", "devtmpfs", "ramfs", "squashfs", "iso9660", "efivarfs"]);

/** The file systems of real disks, each device once at its shortest mount point, the fullest first. */
export function filesystems(facts: Facts): Filesystem[] {
  const available = new Map(
    facts.all("node_filesystem_avail_bytes").map((series) => [mountKey(series.labels), latest(series)]),
  );
  const found = new Map<string, Filesystem>();
  for (const series of facts.all("node_filesystem_size_bytes")) {
    const { device = "", mountpoint = "", fstype = "" } = series.labels;
    const size = latest(series) ?? 0;
    const free = available.get(mountKey(series.labels));
    if (size <= 0 || free === undefined || NOT_DISKS.has(fstype)) continue;
    const earlier = found.get(device);
    if (!earlier || mountpoint.length < earlier.mountpoint.length)
      found.set(device, { mountpoint, device, size, used: size - free });
  }
  return [...found.values()].sort((a, b) => b.used / b.size - a.used / a.size);
}

const mountKey = ({ device, mountpoint }: Labels): string => `${device}\n${mountpoint}`;
