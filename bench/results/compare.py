# SPDX-License-Identifier: Apache-2.0
"""What moved between two results, and whether it is more than noise.

A figure has a value for each repetition. It has moved when no repetition of one result is within the range of the other's, and the
medians differ by more than SMALLEST: with five repetitions of each, chance alone does that to one figure in 126. Of a figure with a
single value the noise is not known, so it is shown and not judged; an exact one has none, and any difference counts.
"""
import statistics

SMALLEST = 0.02
BETTER, WORSE, MOVED, SAME, UNKNOWN, GONE, NEW = "better", "worse", "moved", "within noise", "noise unknown", "missing", "new"
ORDER = [WORSE, BETTER, MOVED, GONE, NEW, UNKNOWN, SAME]


class Row:
    def __init__(self, name, old, new):
        self.name = name
        self.unit = (new or old)["unit"]
        self.old, self.new = old and old["values"], new and new["values"]
        self.verdict = verdict(old, new)
        self.change = change(self.old, self.new) if old and new else None


def change(old, new):
    """Relative, of the medians; None from nothing."""
    before, after = statistics.median(old), statistics.median(new)
    if before == after:
        return 0.0
    return after / before - 1 if before else None


def spread(values):
    """Half the range over the median; None of a single value."""
    middle = statistics.median(values)
    return (max(values) - min(values)) / 2 / abs(middle) if len(values) > 1 and middle else None


def verdict(old, new):
    if new is None:
        return GONE
    if old is None:
        return NEW
    before, after = old["values"], new["values"]
    moved_by = change(before, after)
    exact = old.get("exact", False) and new.get("exact", False)
    if exact:
        moved = moved_by != 0.0
    elif len(before) < 2 or len(after) < 2:
        return UNKNOWN
    else:
        apart = max(before) < min(after) or max(after) < min(before)
        moved = apart and (moved_by is None or abs(moved_by) > SMALLEST)
    if not moved:
        return SAME
    rose = statistics.median(after) > statistics.median(before)
    if new["better"] == "neither":
        return MOVED
    return BETTER if rose == (new["better"] == "more") else WORSE


def rows(old, new):
    names = list(old["figures"]) + [name for name in new["figures"] if name not in old["figures"]]
    found = [Row(name, old["figures"].get(name), new["figures"].get(name)) for name in names]
    return sorted(found, key=lambda row: (ORDER.index(row.verdict), -abs(row.change or 0.0), row.name))


def differing(old, new):
    """In what the machines differ: figures of different ones say little."""
    keys = ("host", "cpu", "cores", "kernel", "governor", "compiler")
    return [f"{key}: {old['machine'].get(key)} and {new['machine'].get(key)}" for key in keys
            if old["machine"].get(key) != new["machine"].get(key)]


def number(value):
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}"


def shown(values):
    if values is None:
        return "-"
    width = spread(values)
    return number(statistics.median(values)) + (f" ±{100 * width:.1f}%" if width is not None else "")


def report(old, new, everything=False):
    """The table as text. Without `everything`, of what stayed within its noise only the number is told."""
    found = rows(old, new)
    lines = []
    for name, result in (("old", old), ("new", new)):
        machine = result["machine"]
        changes = " with uncommitted changes" if machine.get("uncommitted_changes") else ""
        lines.append(f"{name}: {machine.get('commit', '')[:12]}{changes}, {machine.get('date', '')}, {machine.get('cpu', '')}, "
                     f"load {machine.get('load_average', 0):.1f}, {result.get('repetitions', 1)} repetitions")
    lines += [f"not the same {line}" for line in differing(old, new)]
    table = [["figure", "unit", "old", "new", "change", ""]]
    for row in found:
        if row.verdict == SAME and not everything:
            continue
        moved_by = "" if row.change is None else f"{100 * row.change:+.1f}%"
        table.append([row.name, row.unit, shown(row.old), shown(row.new), moved_by, row.verdict])
    if len(table) > 1:
        widths = [max(len(line[i]) for line in table) for i in range(6)]
        lines.append("")
        lines += ["  ".join(cell.ljust(width) if i in (0, 1, 5) else cell.rjust(width)
                            for i, (cell, width) in enumerate(zip(line, widths))).rstrip() for line in table]
    counts = {kind: sum(row.verdict == kind for row in found) for kind in ORDER}
    lines += ["", ", ".join(f"{count} {kind}" for kind, count in counts.items() if count) or "nothing to compare"]
    return "\n".join(lines)
