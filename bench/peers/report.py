# SPDX-License-Identifier: Apache-2.0
"""Tables and a plot of what run and wire measured. Pure functions: results in, text out."""
import os
import statistics
import sys
from xml.sax.saxutils import escape

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "results"))
import page  # noqa: E402
from page import number  # noqa: E402

WORKLOADS = ("window1", "window8")
GODWIT = "godwit"
HEADER_BYTES = 52  # IPv4 and TCP with timestamps, a segment
SYN_OPTION_BYTES = 8  # what a SYN has more, each way


def figures(result):
    """Per variant and workload: median CPU, messages a second, and the ratio to Godwit's turn right before."""
    order = result["order"]
    godwit = result["servers"][GODWIT]
    peers = [name for name in order if name != GODWIT]
    table = {}
    for name in order:
        server = result["servers"][name]
        row = {"kib": server["resident_bytes_per_connection"] / 1024,
               "kib_marginal": server["resident_bytes_per_connection_marginal"] / 1024}
        for workload in WORKLOADS:
            rounds = server[workload]["rounds"]
            before = godwit[workload]["rounds"]
            row[workload] = {
                "us": statistics.median(r["us_per_message"] for r in rounds),
                "rate": statistics.median(r["messages_per_second"] for r in rounds),
                "busy": statistics.median(r["server_busy"] for r in rounds),
            }
            if name == GODWIT:
                ratios = [1.0]
            else:
                at = peers.index(name)
                ratios = [r["us_per_message"] / before[i * len(peers) + at]["us_per_message"] for i, r in enumerate(rounds)]
            row[workload].update(ratio=statistics.median(ratios), low=min(ratios), high=max(ratios))
        table[name] = row
    return table


def ratio(entry):
    """The median, and the least and the most where they differ from it."""
    if entry["low"] == entry["high"]:
        return "1" if entry["ratio"] == 1 else number(entry["ratio"])
    return f"{number(entry['ratio'])} ({number(entry['low'])}–{number(entry['high'])})"


def machine_line(result):
    machine = result["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    return (f"{machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']}, {machine['date']}, load at the start "
            f"{machine['load']}; Godwit {machine['commit']}; {versions}.\n")


def cost_table(result, variants):
    table = figures(result)
    text = machine_line(result)
    batch = result["settings"]["batch"]
    text += (f"Medians of {result['settings']['rounds']} turns of {result['settings']['seconds']:g} s; in brackets the least and the "
             "most of the turns' ratios. The load waits for ")
    text += ("what comes first" if batch == 1 else f"{batch} events, 50 µs at most") + ".\n\n"
    text += page.row(["server", "µs a message, 1 000 connections, window 1", "times Godwit's", "µs, 100 connections, window 8",
                      "times Godwit's", "KiB an idle connection, of 1 000", "of the last 500 alone"])
    text += page.row(["---"] * 7)
    for name, row in table.items():
        text += page.row([variants[name]["title"], number(row["window1"]["us"]), ratio(row["window1"]), number(row["window8"]["us"]),
                          ratio(row["window8"]), number(row["kib"]), number(row["kib_marginal"])])
    text += "\n" + page.row(["server", "encrypted", "the sender is told", "the recipient acknowledges", "kept for one who is away",
                             "order"])
    text += page.row(["---"] * 6)
    for name in table:
        variant = variants[name]
        text += page.row([variant[key] for key in ("title", "encrypted", "sender", "recipient", "kept", "order")])
    return text


# --- plot ----------------------------------------------------------------------------------------------------------------------

LEFT, WIDTH, ROW, BAR, TOP = 190, 820, 34, 12, 64


def plot(result, variants):
    """Two bars a server, CPU a message on a logarithmic scale: an SVG for light and dark pages."""
    table = figures(result)
    values = [row[workload]["us"] for row in table.values() for workload in WORKLOADS]
    x_of = page.LogScale(values, LEFT, WIDTH - 110)
    height = TOP + ROW * len(table) + 46
    parts = ['<text class="title" x="8" y="22">CPU of the server a delivered 100-byte message, µs (less is better)</text>']
    for i, (workload, label) in enumerate(zip(WORKLOADS, ("1 000 connections, window 1", "100 connections, window 8"))):
        parts.append(f'<rect class="{workload}" x="{LEFT + 210 * i}" y="34" width="12" height="12"/>'
                     f'<text x="{LEFT + 18 + 210 * i}" y="45">{label}</text>')
    bottom = TOP + ROW * len(table)
    for power in x_of.powers():
        x = x_of(power)
        parts.append(f'<line class="grid" x1="{x:.1f}" y1="{TOP - 6}" x2="{x:.1f}" y2="{bottom}"/>'
                     f'<text class="small" text-anchor="middle" x="{x:.1f}" y="{bottom + 16}">{power:g}</text>')
    for i, (name, row) in enumerate(table.items()):
        y = TOP + ROW * i
        parts.append(f'<text text-anchor="end" x="{LEFT - 8}" y="{y + 17}">{escape(variants[name]["title"])}</text>')
        for j, workload in enumerate(WORKLOADS):
            top = y + 1 + j * (BAR + 1)
            width = max(1.0, x_of(row[workload]["us"]) - LEFT)
            label = number(row[workload]["us"])
            if name != GODWIT:
                label += f' ({number(row[workload]["ratio"])}×)'
            parts.append(f'<rect class="{workload}" x="{LEFT}" y="{top}" width="{width:.1f}" height="{BAR}"/>'
                         f'<text class="small" x="{LEFT + width + 5:.1f}" y="{top + 10}">{label}</text>')
    machine = result["machine"]
    note = (f"one core of {machine['cpu']}, Linux {machine['kernel']}, {machine['date']}, {machine['commit']}, load at the start "
            f"{machine['load']}; (×): times Godwit's")
    parts.append(f'<text class="small" x="8" y="{bottom + 36}">{escape(note)}</text>')
    return page.document(WIDTH, height, "CPU of the server a delivered message", WORKLOADS, parts)


# --- on the wire -----------------------------------------------------------------------------------------------------------------


def on_wire(entry, syn=False):
    """(payload bytes, segments, bytes with IP and TCP headers) of both directions."""
    payload = entry["bytes_out"] + entry["bytes_in"]
    segments = entry["segments_out"] + entry["segments_in"]
    return payload, segments, payload + segments * HEADER_BYTES + (2 * SYN_OPTION_BYTES if syn else 0)


def wire_table(result, titles):
    """Bytes a login, a message alone, a message in a stream of them, an idle hour."""
    pings = result["settings"]["pings_an_hour"]
    text = machine_line(result) + "Bytes of TCP payload / with IP and TCP headers (segments), both directions, all legs.\n\n"
    text += page.row(["protocol", "login", "a message alone", "a message among others", f"idle hour, {pings} keep-alives"])
    text += page.row(["---"] * 5)
    for name in result["order"]:
        entry = result["wire"][name]
        cells = [titles[name]]
        for key in ("login", "lone_message", "busy_message"):
            if entry.get(key) is None:
                cells.append("–")
                continue
            payload, segments, whole = on_wire(entry[key], syn=key == "login")
            cells.append(f"{payload:.0f} / {whole:.0f} ({number(segments)})")
        payload, segments, whole = on_wire(entry["keep_alive"])
        cells.append(f"{payload * pings:.0f} / {whole * pings:.0f} ({segments * pings:.0f})")
        text += page.row(cells)
    return text
