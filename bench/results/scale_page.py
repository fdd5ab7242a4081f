# SPDX-License-Identifier: Apache-2.0
"""What bench/scale makes of what it read: figures, a table and a plot. Only points_of_others reads files."""
import json
import math
import re
from xml.sax.saxutils import escape

import page
from page import number

# Descriptors that a ring or a load has beside its connections, and some for connections that are just ending.
SPARE = 128
# The kernel deals connections out by a hash: a shard gets some more than its part.
UNEVEN = 0.9


def metrics_of(text):
    """A Prometheus page: the sum of each name over its labels."""
    sums = {}
    for match in re.finditer(r"^(\w+)(?:\{[^}]*\})? (\S+)$", text, re.M):
        sums[match[1]] = sums.get(match[1], 0.0) + float(match[2])
    return sums


def slab_of(meminfo):
    """Bytes of the kernel's own objects, connections among them."""
    match = re.search(r"^Slab:\s*(\d+) kB$", meminfo, re.M)
    return int(match[1]) * 1024 if match else 0


def problems_of(report, interrupted):
    """What a load complains of, without what an interruption leaves open."""
    expected = ("interrupted", "accepted and did not arrive", "neither accepted nor refused")
    return [problem for problem in report["problems"] if not (interrupted and any(text in problem for text in expected))]


def shares(count, descriptors):
    """Connections of each load: as many loads as descriptors ask for, pairs kept together."""
    loads = math.ceil(count / (descriptors - SPARE))
    pairs = count // 2
    parts = [2 * (pairs // loads + (1 if i < pairs % loads else 0)) for i in range(loads)]
    parts[0] += count % 2
    return parts


def shards_for(count, descriptors):
    """One ring holds as many direct descriptors as a process may have open files; 1 000 more come to talk."""
    room = descriptors - SPARE
    return 1 if count + 1000 <= room else math.ceil((count + 1000) / (room * UNEVEN))


def plan(counts, descriptors, shards):
    """(sessions, shards) in the order of their worth."""
    if shards:
        return [(count, shards) for count in counts]
    needed = [(count, shards_for(count, descriptors)) for count in counts]
    most = max(shards for _, shards in needed)
    return needed + [(count, most) for count, own in needed if own != most]


# --- figures -------------------------------------------------------------------------------------------------------------------


def message_figures(kind, looks):
    before, after = looks
    messages = after["messages_delivered_total"] - before["messages_delivered_total"]
    seconds = after["time"] - before["time"]
    if messages < 100:
        raise OSError(f"{messages:.0f} messages in {seconds:.1f} s: nothing to measure")
    return {f"us_message_{kind}": (after["cpu"] - before["cpu"]) / messages * 1e6,
            f"us_message_{kind}_shards": (after["shard_cpu"] - before["shard_cpu"]) / messages * 1e6,
            f"messages_per_second_{kind}": messages / seconds,
            f"busy_{kind}": (after["cpu"] - before["cpu"]) / seconds}


def silent_figures(count, looks, slab, logins, idle, few):
    """`looks`: empty, with half, with all; a look is what Gateway.figures() returns."""
    return {
        "bytes_session": (looks[2]["anonymous"] - looks[0]["anonymous"]) / count,
        "bytes_session_second_half": (looks[2]["anonymous"] - looks[1]["anonymous"]) / (count - count // 2),
        "kernel_bytes_session": (slab[2] - slab[0]) / count,
        "us_login": logins["cpu"] / logins["count"] * 1e6,
        "us_login_shards": logins["shard_cpu"] / logins["count"] * 1e6,
        "idle_ms_second": (idle[1]["cpu"] - idle[0]["cpu"]) / (idle[1]["time"] - idle[0]["time"]) * 1000,
    } | message_figures("few", few)


def point_of_load(report):
    """Of `godwit-load scale --server-pid`, which asks the same sessions one question after the other."""
    phases = {phase["name"]: phase for phase in report["phases"]}
    halves = [phases["first half"], phases["second half"]]
    logins = [phase["counts"]["logins"] for phase in halves]
    # Before anyone, with half and with all of them, after a silence.
    memory = [phases[name]["server"]["anonymous_bytes_before"] for name in ("first half", "second half", "idle")]
    point = {
        "sessions": sum(logins),
        "shards": sum(thread["name"].startswith("shard") for thread in phases["idle"]["server"]["threads"]),
        "bytes_session": (memory[2] - memory[0]) / sum(logins),
        "bytes_session_second_half": (memory[2] - memory[1]) / logins[1],
        "us_login": sum(phase["server"]["cpu_s"] for phase in halves) / sum(logins) * 1e6,
        "logins_per_second": sum(logins) / sum(phase["seconds"] for phase in halves),
        "idle_ms_second": phases["idle"]["server"]["share_of_a_core"] * 1000,
    }
    for kind in ("few", "all"):
        server = phases[kind]["server"]
        point |= {f"us_message_{kind}": server["us_per_message"],
                  f"us_message_{kind}_shards": sum(thread["us_per_message"] for thread in server["threads"]
                                                   if thread["name"].startswith("shard")),
                  f"messages_per_second_{kind}": phases[kind]["messages_per_second"], f"busy_{kind}": server["share_of_a_core"],
                  f"arrival_p50_us_{kind}": phases[kind]["latency"]["arrival"]["p50_us"],
                  f"arrival_p99_us_{kind}": phases[kind]["latency"]["arrival"]["p99_us"]}
    return point


def tcp_points(lines):
    """Of bench_tcp's lines: memory and a message there and back, of the stack alone."""
    found = {}
    for entry in (json.loads(line) for line in lines if line.strip()):
        kind = entry.get("benchmark")
        if kind not in ("tcp_idle", "tcp_messages") or entry.get("ipv6") or entry.get("offload"):
            continue
        point = found.setdefault(entry["connections"], {"network": "our TCP alone", "sessions": entry["connections"]})
        if kind == "tcp_idle":
            point["bytes_session"] = entry["resident_bytes_each"]
        else:
            point["us_message_all"] = entry["ns"] / 1000
    return [found[count] for count in sorted(found)]


def dpdk_points(result):
    """Points with our names and at least `sessions`; a file without any offers none."""
    return [{"network": "DPDK"} | point for point in result.get("points", []) if "sessions" in point]


def points_of_others(dpdk, tcp):
    points = []
    if dpdk:
        with open(dpdk, encoding="utf-8") as file:
            points += dpdk_points(json.load(file))
    if tcp:
        with open(tcp, encoding="utf-8") as file:
            points += tcp_points(file)
    return points


# --- table and plot ------------------------------------------------------------------------------------------------------------

COLUMNS = (("bytes_session", "bytes a session"), ("bytes_session_second_half", "of the second half"),
           ("kernel_bytes_session", "kernel's bytes, both ends"), ("us_login", "µs a login"),
           ("us_message_all", "µs a message, all talk"), ("us_message_few", "µs a message, 1 000 talk"),
           ("idle_ms_second", "ms a second, all silent"))
PANELS = (("bytes_session_second_half", "bytes a session"), ("us_login", "µs of CPU a login"),
          ("us_message_all", "µs of CPU a message, all talk"), ("us_message_few", "µs of CPU a message, 1 000 talk"))


def note(result):
    about = result["machine"]
    loads = [point["load_average"] for point in result["points"] + result["others"] if "load_average" in point]
    busy = f", load {min(loads):.1f} to {max(loads):.1f}" if loads else ""
    return (f"{about['cpu']}, Linux {about['kernel']}, {about['date'][:10]}, {about['commit'][:12]}"
            f"{' with changes' if about['uncommitted_changes'] else ''}{busy}")


def table(result):
    settings = result["settings"]
    rates = [p["messages_per_second_all"] for p in result["others"] if "messages_per_second_all" in p]
    over_dpdk = f", {round(max(rates), -3):.0f} over DPDK" if rates else ""
    text = note(result) + f"; all talk: {settings['rate']:g} messages a second together{over_dpdk}.\n"
    if result["problem"]:
        text += f"Not complete: {result['problem']}.\n"
    text += "\n" + page.row(["network", "shards", "sessions"] + [title for _, title in COLUMNS])
    text += page.row(["---"] * (3 + len(COLUMNS)))
    for point in result["points"] + result["others"]:
        cells = [point["network"], str(point.get("shards", "–")), f"{point['sessions']:,}".replace(",", " ")]
        text += page.row(cells + [cell(point.get(key)) for key, _ in COLUMNS])
    return text


def cell(value):
    if value is None:
        return "–"
    return number(value) if value >= 0 else "-" + number(-value)


def series(result):
    """(title, points) for a line each: by network, and on io_uring as many shards as needed and the same everywhere."""
    most = max((point["shards"] for point in result["points"]), default=0)
    counts = [point["sessions"] for point in result["points"]]
    lines = []
    same = [point for point in result["points"] if point["shards"] == most]
    needed = [min((p for p in result["points"] if p["sessions"] == count), key=lambda p: p["shards"]) for count in sorted(set(counts))]
    if needed != same:
        lines.append(("io_uring, shards as needed", needed))
    if same:
        lines.append((f"io_uring, {most} shard" + ("s" if most > 1 else ""), sorted(same, key=lambda p: p["sessions"])))
    for network in dict.fromkeys(point["network"] for point in result["others"]):
        lines.append((network, sorted((p for p in result["others"] if p["network"] == network), key=lambda p: p["sessions"])))
    return lines


WIDTH, PANEL_WIDTH, PANEL_HEIGHT, LEFT, TOP = 860, 330, 180, 60, 84


def free_place(taken, x, y):
    """Where a label for a point does not lie over another: above it, below it, or beside it. Adds it to `taken`."""
    places = [(x, y - 8), (x, y + 17), (x + 24, y + 4), (x - 24, y + 4), (x + 24, y - 8), (x + 24, y + 16), (x, y - 20),
              (x, y + 29)]
    found = next((place for place in places if not any(abs(place[0] - other[0]) < 26 and abs(place[1] - other[1]) < 11
                                                       for other in taken)), places[0])
    taken.append(found)
    return found


def panel(key, title, lines, classes, at, counts):
    """One cost against the count, both on logarithmic scales."""
    left, top = at
    value_of = {"bytes_session_second_half": lambda p: p.get(key, p.get("bytes_session"))}.get(key, lambda p: p.get(key))
    drawn = [[(p["sessions"], value_of(p)) for p in points if (value_of(p) or 0) > 0] for _, points in lines]
    values = [value for line in drawn for _, value in line]
    parts = [f'<text x="{left}" y="{top - 10}">{escape(title)}</text>']
    if not values:
        return parts
    x_of = page.LogScale(counts, left, left + PANEL_WIDTH)
    y_of = page.LogScale(values, top + PANEL_HEIGHT, top)
    for power in y_of.powers():
        y = y_of(power)
        parts.append(f'<line class="grid" x1="{left}" y1="{y:.1f}" x2="{left + PANEL_WIDTH}" y2="{y:.1f}"/>'
                     f'<text class="small" text-anchor="end" x="{left - 6}" y="{y + 4:.1f}">{power:g}</text>')
    for power in x_of.powers():
        parts.append(f'<text class="small" text-anchor="middle" x="{x_of(power):.1f}" y="{top + PANEL_HEIGHT + 16}">'
                     f'{int(power):,}</text>'.replace(",", " "))
    # The numbers below the axis, and the points themselves.
    taken = [(x_of(power), top + PANEL_HEIGHT + 16) for power in x_of.powers()]
    taken += [(x_of(count), y_of(value) + 4) for line in drawn for count, value in line]
    for name, line in zip(classes, drawn):
        places = [(x_of(count), y_of(value)) for count, value in line]
        parts.append(f'<polyline class="{name}" points="' + " ".join(f"{x:.1f},{y:.1f}" for x, y in places) + '"/>')
        for (x, y), (_, value) in zip(places, line):
            at_x, at_y = free_place(taken, x, y)
            parts.append(f'<circle class="{name}" cx="{x:.1f}" cy="{y:.1f}" r="3"/><text class="small" text-anchor="middle" '
                         f'x="{at_x:.1f}" y="{at_y:.1f}">{number(value)}</text>')
    return parts


def plot(result):
    lines = series(result)
    classes = [f"line{i}" for i in range(len(lines))]
    counts = [point["sessions"] for _, points in lines for point in points]
    rows = (len(PANELS) + 1) // 2
    height = TOP + rows * (PANEL_HEIGHT + 64) + 10
    title = "What a session and a message cost by the number of sessions"
    parts = [f'<text class="title" x="8" y="22">{title} (less is better)</text>']
    x = 8
    for name, (label, _) in zip(classes, lines):
        parts.append(f'<rect class="{name}" x="{x}" y="36" width="12" height="12"/><text x="{x + 18}" y="47">{escape(label)}</text>')
        x += 40 + 7 * len(label)
    for i, (key, label) in enumerate(PANELS):
        at = (LEFT + i % 2 * (PANEL_WIDTH + 90), TOP + i // 2 * (PANEL_HEIGHT + 64))
        parts += panel(key, label, lines, classes, at, counts)
    parts.append(f'<text class="small" x="8" y="{height - 10}">{escape(note(result))}</text>')
    return page.document(WIDTH, height, title, classes, parts)
