import { describe, expect, it } from "vitest";
import type { Answer, Labels, Series } from "../api/answers";
import { collectionInterval, describeHost, Facts, filesystems, readHosts } from "./facts";
import { expander } from "./live";
import { joinProcesses } from "./processes";

const vector = (...found: [labels: Labels, value: number][]): Answer => ({
  kind: "vector",
  series: found.map(([labels, value]) => ({ labels, points: [[0, value]] })),
  warnings: [],
});

describe("readHosts", () => {
  it("names each instance by its uname, whichever comes first", () => {
    const hosts = readHosts(
      vector(
        [{ __name__: "node_memory_MemTotal_bytes", instance: "b:1" }, 1],
        [{ __name__: "node_uname_info", instance: "b:1", nodename: "beta" }, 1],
        [{ __name__: "node_uname_info", instance: "a:1", nodename: "alpha" }, 1],
        [{ __name__: "node_memory_MemTotal_bytes", instance: "a:1" }, 1],
        [{ __name__: "node_memory_MemTotal_bytes", instance: "plain" }, 1],
      ),
    );
    expect(hosts).toEqual([
      { instance: "a:1", name: "alpha" },
      { instance: "b:1", name: "beta" },
      { instance: "plain", name: "plain" },
    ]);
  });
});

describe("filesystems", () => {
  it("shows each real device once, at its shortest mount point, the fullest first", () => {
    const mount = (
      device: string,
      mountpoint: string,
      fstype: string,
      size: number,
      free: number,
    ): [Labels, number][] => [
      [{ __name__: "node_filesystem_size_bytes", device, mountpoint, fstype }, size],
      [{ __name__: "node_filesystem_avail_bytes", device, mountpoint, fstype }, free],
    ];
    const facts = new Facts([
      vector(
        ...mount("/dev/a", "/var/lib/x", "ext4", 100, 60),
        ...mount("/dev/a", "/", "ext4", 100, 60),
        ...mount("/dev/b", "/data", "xfs", 1000, 100),
        ...mount("tmpfs", "/tmp", "tmpfs", 10, 0),
        ...mount("/dev/c", "/empty", "ext4", 0, 0),
      ),
    ]);
    expect(filesystems(facts)).toEqual([
      { mountpoint: "/data", device: "/dev/b", size: 1000, used: 900 },
      { mountpoint: "/", device: "/dev/a", size: 100, used: 40 },
    ]);
  });
});

it("describeHost leaves out what it does not know", () => {
  const facts = new Facts([
    vector([{ __name__: "node_boot_time_seconds" }, 1000]),
    vector([{ __name__: "node_cpu_seconds_total", cpu: "0" }, 1]),
  ]);
  expect(describeHost(facts, 1000 + 7200)).toBe("1 core · up 2 h");
  expect(describeHost(new Facts([]), 0)).toBe("");
});

it("joinProcesses gives a process that leads both rankings one row", () => {
  const cpu = vector([{ pid: "1", comm: "a" }, 0.5], [{ pid: "2", comm: "b" }, 1.5]).series;
  const memory = vector([{ pid: "1", comm: "a" }, 10], [{ pid: "3", comm: "c" }, 99]).series;
  const rows = joinProcesses(cpu, memory).map(({ labels, cpu: busy, memory: held }) => [
    labels["pid"],
    busy,
    held,
  ]);
  expect(rows).toEqual([
    ["2", 1.5, undefined],
    ["1", 0.5, 10],
    ["3", undefined, 99],
  ]);
});

it("expander fits windows to the pace of collection and to the step of a chart", () => {
  expect(expander('a"b', 1, 2)("x{$host}[$recent] y[$rate]")).toBe('x{instance="a\\"b"}[10s] y[15s]');
  expect(expander("a", 15, 60)("[$recent] [$rate]")).toBe("[1m] [1m]");
  expect(expander("a", 1, 60)("[$rate]")).toBe("[1m]");
});

it("collectionInterval is the mean distance between samples", () => {
  const series = (...times: number[]): Series => ({ labels: {}, points: times.map((time) => [time, 0]) });
  expect(collectionInterval(series(100, 115, 130))).toBe(15);
  expect(collectionInterval(series(100, 100.5, 101))).toBe(1);
  expect(collectionInterval(series(100))).toBe(1);
  expect(collectionInterval(undefined)).toBe(1);
});
