/**
 * What the overview shows, as data.
 *
 * `$host` stands for the matcher of the chosen host, `$rate` for a window that fits the step of
 * a chart, `$recent` for the shortest window that holds a few samples,
 * and `$self` for one that fits Veriscope's own metrics, which it takes every five seconds.
 */

import type { Unit } from "../format/units";
import { formatValue } from "../format/units";
import type { Facts } from "./facts";

/** A card's share of its row, in twelfths; cards grow where a row has room left. */
export type CardWidth = 3 | 4 | 6 | 8 | 12;

export interface Target {
  readonly expr: string;
  /** The name of a line, with labels as `{{label}}`. */
  readonly name: string;
  /** A colour token; by position where it is left out. */
  readonly color?: string;
  /** What lines are called, how they are coloured and ordered, by the value of a label. */
  readonly split?: {
    readonly label: string;
    readonly into: Readonly<Record<string, { readonly name: string; readonly color: string }>>;
  };
}

export interface ChartPanel {
  readonly title: string;
  readonly unit: Unit;
  readonly targets: readonly Target[];
  readonly width: CardWidth;
  /** The metric without which there is nothing to show here. */
  readonly needs: string;
  readonly stacked?: boolean;
  readonly min?: number;
  readonly max?: number;
}

export interface Tile {
  readonly title: string;
  readonly unit: Unit;
  readonly needs: string;
  readonly expr: string;
  readonly color: string;
  /** The top of the curve, where the value has one. */
  readonly max?: number;
  readonly note: (facts: Facts) => string;
  /** A tile that is left out, rather than shown empty, where there is no such thing. */
  readonly optional?: boolean;
}

const DISKS = 'device!~"(loop|ram|zram|sr|fd|dm-|md).*"';
const LINKS = 'device!~"(lo|veth.*|docker.*|br-.*|cali.*|cni.*|flannel.*|virbr.*)"';

/** The metrics that say what there is, and what stands in tiles and tables; read in one query. */
export const FACT_NAMES: readonly string[] = [
  "node_boot_time_seconds",
  "node_disk_read_bytes_total",
  "node_filefd_allocated",
  "node_filesystem_avail_bytes",
  "node_filesystem_size_bytes",
  "node_load1",
  "node_load15",
  "node_load5",
  "node_memory_MemAvailable_bytes",
  "node_memory_MemTotal_bytes",
  "node_memory_SwapFree_bytes",
  "node_memory_SwapTotal_bytes",
  "node_network_receive_bytes_total",
  "node_pressure_cpu_waiting_seconds_total",
  "node_processes_pids",
  "node_procs_running",
  "node_uname_info",
  "gpu_memory_total_bytes",
  "gpu_memory_used_bytes",
  "gpu_power_draw_watts",
  "gpu_temperature_celsius",
  "gpu_utilization_ratio",
];

export const TILES: readonly Tile[] = [
  {
    title: "CPU",
    unit: "ratio",
    needs: "node_cpu_seconds_total",
    expr: '1 - avg(rate(node_cpu_seconds_total{$host,mode="idle"}[$recent]))',
    color: "series-1",
    max: 1,
    note: (facts) => `${facts.all("node_cpu_seconds_total").length} cores`,
  },
  {
    title: "Memory",
    unit: "ratio",
    needs: "node_memory_MemAvailable_bytes",
    expr: "1 - node_memory_MemAvailable_bytes{$host} / node_memory_MemTotal_bytes{$host}",
    color: "series-4",
    max: 1,
    note: memoryNote,
  },
  {
    title: "Load",
    unit: "number",
    needs: "node_load1",
    expr: "node_load1{$host}",
    color: "series-6",
    note: (facts) =>
      `5 min ${formatValue(facts.value("node_load5"), "number")} · 15 min ${formatValue(facts.value("node_load15"), "number")}`,
  },
  {
    title: "Disk",
    unit: "bytes/s",
    needs: "node_disk_read_bytes_total",
    expr: `sum(rate(node_disk_read_bytes_total{$host,${DISKS}}[$recent])) + sum(rate(node_disk_written_bytes_total{$host,${DISKS}}[$recent]))`,
    color: "series-2",
    note: () => "read and written",
  },
  {
    title: "Network",
    unit: "bytes/s",
    needs: "node_network_receive_bytes_total",
    expr: `sum(rate(node_network_receive_bytes_total{$host,${LINKS}}[$recent])) + sum(rate(node_network_transmit_bytes_total{$host,${LINKS}}[$recent]))`,
    color: "series-3",
    note: () => "received and sent",
  },
  {
    title: "GPU",
    unit: "ratio",
    needs: "gpu_utilization_ratio",
    expr: "avg(gpu_utilization_ratio{$host})",
    color: "series-10",
    max: 1,
    note: (facts) =>
      `${facts.all("gpu_utilization_ratio").length} × ${facts.labels("gpu_utilization_ratio")["name"] ?? "GPU"}`,
    optional: true,
  },
];

function memoryNote(facts: Facts): string {
  const total = facts.value("node_memory_MemTotal_bytes") ?? 0;
  const free = facts.value("node_memory_MemAvailable_bytes") ?? 0;
  return `${formatValue(total - free, "bytes")} of ${formatValue(total, "bytes")}`;
}

export const CPU: readonly ChartPanel[] = [
  {
    title: "CPU by mode",
    unit: "ratio",
    width: 8,
    needs: "node_cpu_seconds_total",
    stacked: true,
    min: 0,
    max: 1,
    targets: [
      {
        expr: 'avg by (mode) (rate(node_cpu_seconds_total{$host,mode!="idle"}[$rate]))',
        name: "{{mode}}",
        split: {
          label: "mode",
          into: {
            user: { name: "user", color: "series-1" },
            nice: { name: "nice", color: "series-6" },
            system: { name: "system", color: "series-2" },
            irq: { name: "irq", color: "series-8" },
            softirq: { name: "soft irq", color: "series-3" },
            iowait: { name: "I/O wait", color: "series-7" },
            steal: { name: "steal", color: "series-4" },
          },
        },
      },
    ],
  },
];

export const MEMORY: readonly ChartPanel[] = [
  {
    title: "Memory",
    unit: "bytes",
    width: 3,
    needs: "node_memory_MemAvailable_bytes",
    stacked: true,
    min: 0,
    targets: [
      {
        expr: "node_memory_MemTotal_bytes{$host} - node_memory_MemAvailable_bytes{$host}",
        name: "used",
        color: "series-4",
      },
      { expr: "node_memory_MemAvailable_bytes{$host}", name: "available", color: "series-quiet" },
    ],
  },
  {
    title: "Swap",
    unit: "bytes",
    width: 3,
    needs: "swap",
    min: 0,
    targets: [
      {
        expr: "node_memory_SwapTotal_bytes{$host} - node_memory_SwapFree_bytes{$host}",
        name: "used",
        color: "series-7",
      },
    ],
  },
  {
    title: "Load",
    unit: "number",
    width: 3,
    needs: "node_load1",
    min: 0,
    targets: [
      {
        expr: '{__name__=~"node_load1|node_load5|node_load15",$host}',
        name: "{{__name__}}",
        split: {
          label: "__name__",
          into: {
            node_load1: { name: "1 min", color: "series-6" },
            node_load5: { name: "5 min", color: "series-8" },
            node_load15: { name: "15 min", color: "series-9" },
          },
        },
      },
    ],
  },
  {
    title: "Pressure (time spent waiting)",
    unit: "ratio",
    width: 3,
    needs: "node_pressure_cpu_waiting_seconds_total",
    min: 0,
    targets: [
      { expr: "rate(node_pressure_cpu_waiting_seconds_total{$host}[$rate])", name: "CPU", color: "series-1" },
      {
        expr: "rate(node_pressure_memory_waiting_seconds_total{$host}[$rate])",
        name: "memory",
        color: "series-4",
      },
      { expr: "rate(node_pressure_io_waiting_seconds_total{$host}[$rate])", name: "I/O", color: "series-2" },
    ],
  },
];

export const DISK: readonly ChartPanel[] = [
  {
    title: "Disk throughput",
    unit: "bytes/s",
    width: 4,
    needs: "node_disk_read_bytes_total",
    min: 0,
    targets: [
      {
        expr: `sum(rate(node_disk_read_bytes_total{$host,${DISKS}}[$rate]))`,
        name: "read",
        color: "series-3",
      },
      {
        expr: `sum(rate(node_disk_written_bytes_total{$host,${DISKS}}[$rate]))`,
        name: "written",
        color: "series-2",
      },
    ],
  },
  {
    title: "Disk latency",
    unit: "seconds",
    width: 4,
    needs: "node_disk_read_bytes_total",
    min: 0,
    targets: [
      {
        expr: `sum(rate(node_disk_read_time_seconds_total{$host,${DISKS}}[$rate])) / sum(rate(node_disk_reads_completed_total{$host,${DISKS}}[$rate]))`,
        name: "per read",
        color: "series-3",
      },
      {
        expr: `sum(rate(node_disk_write_time_seconds_total{$host,${DISKS}}[$rate])) / sum(rate(node_disk_writes_completed_total{$host,${DISKS}}[$rate]))`,
        name: "per write",
        color: "series-2",
      },
    ],
  },
];

export const NETWORK: readonly ChartPanel[] = [
  {
    title: "Network received",
    unit: "bytes/s",
    width: 6,
    needs: "node_network_receive_bytes_total",
    min: 0,
    targets: [{ expr: "rate(node_network_receive_bytes_total{$host}[$rate])", name: "{{device}}" }],
  },
  {
    title: "Network sent",
    unit: "bytes/s",
    width: 6,
    needs: "node_network_receive_bytes_total",
    min: 0,
    targets: [{ expr: "rate(node_network_transmit_bytes_total{$host}[$rate])", name: "{{device}}" }],
  },
];

export const GPU: readonly ChartPanel[] = [
  {
    title: "GPU utilisation",
    unit: "ratio",
    width: 4,
    needs: "gpu_utilization_ratio",
    min: 0,
    max: 1,
    targets: [{ expr: "gpu_utilization_ratio{$host}", name: "{{gpu}} · {{name}}" }],
  },
  {
    title: "GPU memory",
    unit: "bytes",
    width: 4,
    needs: "gpu_memory_used_bytes",
    min: 0,
    targets: [{ expr: "gpu_memory_used_bytes{$host}", name: "{{gpu}} · {{name}}" }],
  },
];

/** Further charts of the GPUs, below their memory. */
export const GPU_HEAT: readonly ChartPanel[] = [
  {
    title: "GPU temperature",
    unit: "celsius",
    width: 6,
    needs: "gpu_temperature_celsius",
    targets: [{ expr: "gpu_temperature_celsius{$host}", name: "{{gpu}} · {{name}}" }],
  },
  {
    title: "GPU power",
    unit: "watts",
    width: 6,
    needs: "gpu_power_draw_watts",
    min: 0,
    targets: [{ expr: "gpu_power_draw_watts{$host}", name: "{{gpu}} · {{name}}" }],
  },
];

const SELF = 'job="veriscope"';
const quantile = (q: number, window: string): string =>
  `histogram_quantile(${q}, sum by (le) (rate(veriscope_query_duration_seconds_bucket{${SELF}}[${window}])))`;

export const STORE: readonly ChartPanel[] = [
  {
    title: "Samples stored",
    unit: "per second",
    width: 4,
    needs: "veriscope_ingest_samples_total",
    min: 0,
    targets: [
      {
        expr: `sum(rate(veriscope_ingest_samples_total{${SELF}}[$self]))`,
        name: "samples",
        color: "series-1",
      },
    ],
  },
  {
    title: "Query latency",
    unit: "seconds",
    width: 4,
    needs: "veriscope_ingest_samples_total",
    min: 0,
    targets: [
      { expr: quantile(0.5, "$self"), name: "p50", color: "series-3" },
      { expr: quantile(0.95, "$self"), name: "p95", color: "series-2" },
      { expr: quantile(0.99, "$self"), name: "p99", color: "series-7" },
    ],
  },
];

/** Rows of the store's card: a name, an instant query and its unit. */
export const STORE_FIGURES: readonly { name: string; expr: string; unit: Unit }[] = [
  {
    name: "Samples stored",
    expr: `sum(rate(veriscope_ingest_samples_total{${SELF}}[30s]))`,
    unit: "per second",
  },
  {
    name: "Commits",
    expr: `sum(rate(veriscope_ingest_commits_total{${SELF}}[30s]))`,
    unit: "per second",
  },
  { name: "Rows", expr: `sum(veriscope_store_rows{${SELF}})`, unit: "number" },
  { name: "Parts", expr: `sum(veriscope_store_parts{${SELF}})`, unit: "count" },
  { name: "On disk", expr: `sum(veriscope_store_bytes{${SELF}})`, unit: "bytes" },
  { name: "Engine memory", expr: `sum(veriscope_engine_memory_bytes{${SELF}})`, unit: "bytes" },
  { name: "Collector lag", expr: `max(veriscope_collector_lag_seconds{${SELF}})`, unit: "seconds" },
  { name: "Query p50", expr: quantile(0.5, "1m"), unit: "seconds" },
  { name: "Query p95", expr: quantile(0.95, "1m"), unit: "seconds" },
  { name: "Query p99", expr: quantile(0.99, "1m"), unit: "seconds" },
];
