# SPDX-License-Identifier: Apache-2.0
"""Which benchmarks there are, how each is run once, and how its output becomes figures.

A figure has a name such as "queues/ring_push_and_drain", a unit and a direction: whether less or more of it is better, or neither.
"""
import json
import re

LESS, MORE, NEITHER = "less", "more", "neither"


def figure(value, unit, better, exact=False):
    return {"value": float(value), "unit": unit, "better": better} | ({"exact": True} if exact else {})


def json_lines(text):
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def google(name):
    """A reader of Google Benchmark's JSON: time an iteration, of the clock where a benchmark has several threads, else of the CPU."""

    def read(_stdout, text):
        found = {}
        for run in json.loads(text)["benchmarks"]:
            if run.get("run_type") == "aggregate" or run.get("error_occurred"):
                continue
            parts = run["name"].split("/")
            of_clock = "real_time" in parts
            label = "/".join(part for part in parts if part != "real_time")
            found[f"{name}/{label}"] = figure(run["real_time" if of_clock else "cpu_time"], run["time_unit"], LESS)
        return found

    return read


def gateway_cost(_stdout, text):
    found = {}
    for line in json_lines(text):
        if line["benchmark"] == "message_cost":
            where = f"gateway_cost/window_{line['window']}"
            found[f"{where}/godwitd"] = figure(line["godwit_us_per_message"], "us", LESS)
            found[f"{where}/godwitd_shard"] = figure(line["godwit_shard_us_per_message"], "us", LESS)
            found[f"{where}/relay"] = figure(line["relay_us_per_message"], "us", NEITHER)
            found[f"{where}/ratio"] = figure(line["ratio"], "x", LESS)
        elif line["benchmark"] == "session_cost":
            for key, unit, better in (("resident_bytes_per_session", "B", LESS), ("resident_bytes_per_session_marginal", "B", LESS),
                                      ("xxhfs_logins_per_cpu_second", "/s", MORE),
                                      ("xx_logins_per_cpu_second", "/s", MORE)):
                found[f"gateway_cost/{key}"] = figure(line[key], unit, better)
    return found


def flood(_stdout, text):
    found = {}
    for line in json_lines(text):
        where = f"flood/{line['attack'].replace(' ', '_')}/{line['addresses']}_addresses"
        found[f"{where}/p99"] = figure(line["flooded_p99_us"], "us", LESS)
        found[f"{where}/ratio"] = figure(line["ratio"], "x", LESS)
        found[f"{where}/attacks"] = figure(line["per_second"], "/s", NEITHER)
    return found


def fairness(_stdout, text):
    found = {}
    for line in json_lines(text):
        where = f"fairness/{line['beside'].replace(' ', '_')}"
        found[f"{where}/p99"] = figure(line["p99_us"], "us", LESS)
        found[f"{where}/ratio"] = figure(line["ratio"], "x", LESS)
        found[f"{where}/messages"] = figure(line["messages_per_second"], "/s", MORE)
        found[f"{where}/resident"] = figure(line["resident_mb"], "MB", LESS)
    return found


def storm(stdout, _text):
    """Rows of a table: what, seconds, attempts, of arrival."""
    found = {}
    for line in stdout.splitlines():
        match = re.match(r"(\S.*?)\s{2,}(\d+\.\d+)\s+(\d+)\s+(\d+\.\d+)$", line)
        if match:
            found[f"storm/{match[1].strip().replace(' ', '_')}"] = figure(match[2], "s", LESS)
    return found


TCP_UNITS = (("bytes_each", "B", LESS), ("_ns", "ns", LESS), ("ns", "ns", LESS), ("ns_frame_in", "ns", LESS),
             ("ns_frame_out", "ns", LESS), ("ratio", "x", MORE), ("resident_growth", "B", LESS))


def tcp(_stdout, text):
    found = {}
    for line in json_lines(text):
        name = line.pop("benchmark")
        if name in ("machine", "tcp_machine_load"):
            continue
        where = "tcp/" + name.removeprefix("tcp_")
        where += "".join(f"/{line[key]}" for key in ("attack",) if key in line)
        where += "".join(f"/{key}" for key in ("cookies", "offload") if line.get(key))
        where += f"/{line['connections']}" if "connections" in line else ""
        for key, value in line.items():
            for suffix, unit, better in TCP_UNITS:
                if key == suffix or (suffix[0] in "_b" and key.endswith(suffix)):
                    # The kernel's own time is the measure, not the measured.
                    found[f"{where}/{key}"] = figure(value, unit, NEITHER if key == "kernel_ns" else better)
                    break
    return found


def budget(_stdout, text):
    """The instruction budget's totals and stages: exact."""
    counted = json.loads(text)
    found = {"budget/idle_session": figure(counted["idle_session_bytes"], "B", LESS, exact=True)}
    for load, entry in counted["loads"].items():
        for stage, value in (entry["stages"] | {"total": entry["total"]}).items():
            found[f"budget/{load}/{stage}"] = figure(value, "instr", LESS, exact=True)
    return found


class Program:
    """`options` and `quick` are arguments for a run of the usual length and for a short one; `out` is the option that names a file."""

    def __init__(self, name, read, options=(), quick=(), out="--json", path=None):
        self.name, self.read, self.options, self.quick, self.out = name, read, list(options), list(quick), out
        self.path = path or f"bench/bench_{name}"

    def command(self, build, quick, file):
        out = [f"{self.out}={file}"] if self.out else []
        return [f"{build}/{self.path}", *out, *(self.quick if quick else self.options)]


def micro(name):
    return Program(name, google(name), ["--benchmark_out_format=json", "--benchmark_min_time=0.1"],
                   ["--benchmark_out_format=json", "--benchmark_min_time=0.01"], out="--benchmark_out")


PROGRAMS = [
    micro("queues"),
    micro("crypto"),
    micro("protocol"),
    micro("dataplane"),
    Program("tcp", tcp, quick=["--connections", "20000", "--messages", "100000"]),
    Program("gateway_cost", gateway_cost, ["--rounds", "3"], ["--rounds", "1", "--seconds", "0.5", "--idle-sessions", "2000"]),
    Program("flood", flood, ["--rounds", "1"], ["--rounds", "1", "--seconds", "0.5"]),
    Program("fairness", fairness, ["--rounds", "1"], ["--rounds", "1", "--seconds", "0.5", "--messages", "20000"]),
    Program("storm", storm, [], ["--clients", "1000"], out=None),
]
# Counted by scripts/budget's parts, not run from here by name.
BUDGET = "budget"
NAMES = [program.name for program in PROGRAMS] + [BUDGET]
