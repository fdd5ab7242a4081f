# SPDX-License-Identifier: Apache-2.0
"""Compares instruction counts with the budget that is committed, and prints both."""
import json

import stages

# What a stage or a total may rise by. The counts repeat exactly, so this is for changes that are not worth a word.
RISE_MAX = 0.03
# Where another compiler, library or processor made the new figures, which count otherwise by themselves.
RISE_MAX_ELSEWHERE = 0.10
# A stage of a few instructions is not held to a part of one.
RISE_INSTRUCTIONS_MIN = 3.0
IDLE = "idle_session_bytes"


def limit(old, rise_max=RISE_MAX):
    return max(old * (1 + rise_max), old + RISE_INSTRUCTIONS_MIN)


def flat(budget):
    """{(load, stage): figure}; the stage "total" is the sum of the others."""
    figures = {}
    for load, entry in budget["loads"].items():
        for stage, value in entry["stages"].items():
            figures[(load, stage)] = value
        figures[(load, "total")] = entry["total"]
    figures[(IDLE, "total")] = budget[IDLE]
    return figures


def compare(old, new):
    """(number of figures that hold, sentences about those that do not)."""
    before, after = flat(old), flat(new)
    rise_max = RISE_MAX_ELSEWHERE if differing_makers(old, new) else RISE_MAX
    held, broken = 0, []
    for place in sorted(set(before) | set(after)):
        load, stage = place
        what = load if load == IDLE else f"{load}: {stage}"
        if place not in after:
            if stage == "total":
                broken.append(f"{what} was not measured")
            else:
                held += 1
            continue
        was, now = before.get(place, 0.0), after[place]
        if now <= limit(was, rise_max):
            held += 1
        elif place not in before and stage == "total":
            broken.append(f"{what} is new, {now:g}, and has no budget")
        else:
            rise = f", {100 * (now / was - 1):+.1f} %" if was else ""
            broken.append(f"{what} rose from {was:g} to {now:g}{rise}")
    return held, broken


def lowered(old, new):
    """Figures that fell by more than they may rise, and could be written down."""
    before, after = flat(old), flat(new)
    return [f"{load}: {stage} fell from {was:g} to {after[load, stage]:g}"
            for (load, stage), was in sorted(before.items())
            if (load, stage) in after and was > limit(after[load, stage])]


def differing_makers(old, new):
    """In what these two are not comparable."""
    return [f"{key}: the budget's is {old['made_with'].get(key)}, this one's {value}"
            for key, value in sorted(new["made_with"].items()) if old["made_with"].get(key) != value]


def table(new, old=None):
    """Stages in rows, loads in columns, a figure and its difference from the budget."""
    loads = list(new["loads"])
    names = [stage for stage in stages.STAGES if any(stage in entry["stages"] for entry in new["loads"].values())]
    rows = [["instructions a ..."] + loads, [""] + [new["loads"][load]["unit"] for load in loads]]
    for name in names + ["total"]:
        row = [name]
        for load in loads:
            value = new["loads"][load]["total"] if name == "total" else new["loads"][load]["stages"].get(name, 0.0)
            cell = f"{value:.0f}"
            if old and load in old["loads"]:
                entry = old["loads"][load]
                was = entry["total"] if name == "total" else entry["stages"].get(name, 0.0)
                if abs(value - was) >= 0.5:
                    cell += f" ({value - was:+.0f})"
            row.append(cell)
        rows.append(row)
    widths = [max(len(row[i]) for row in rows) for i in range(len(loads) + 1)]
    lines = ["  ".join(cell.ljust(width) if i == 0 else cell.rjust(width) for i, (cell, width) in enumerate(zip(row, widths)))
             for row in rows]
    change = f" ({new[IDLE] - old[IDLE]:+.1f})" if old and abs(new[IDLE] - old[IDLE]) >= 0.05 else ""
    return "\n".join(lines + [f"bytes an idle session: {new[IDLE]:.1f}{change}"])


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def save(path, budget):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(budget, file, indent=1)
        file.write("\n")
