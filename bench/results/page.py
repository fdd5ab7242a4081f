# SPDX-License-Identifier: Apache-2.0
"""What result pages share: numbers and rows of tables in Markdown, and SVG for light and dark pages. Pure functions."""
import math
from xml.sax.saxutils import escape

COLOURS = (("#0969da", "#4493f8"), ("#d4762c", "#f0a35e"), ("#1a7f37", "#3fb950"), ("#8250df", "#ab7df8"), ("#cf222e", "#f85149"),
           ("#57606a", "#9198a1"))  # each for light pages and for dark ones


def number(value):
    """Three figures that count: 0.123, 1.23, 12.3, 123."""
    if value == 0:
        return "0"
    places = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:.{min(places, 3)}f}"


def row(cells):
    return "| " + " | ".join(cells) + " |\n"


def style(classes):
    """The style sheet of a plot whose marks have these classes, a colour each."""
    colours = [COLOURS[i % len(COLOURS)] for i in range(len(classes))]

    def marks(dark):
        return " ".join(f".{name} {{ fill: {both[dark]}; stroke: {both[dark]}; }}" for name, both in zip(classes, colours))

    return f"""<style>
text {{ font: 12px system-ui, sans-serif; fill: #24292f; }}
.title {{ font-size: 15px; font-weight: 600; }}
.small {{ font-size: 11px; fill: #57606a; }}
.grid {{ stroke: #8c959f; stroke-opacity: .35; }}
rect {{ stroke-width: 0; }} polyline {{ fill: none !important; stroke-width: 2; }}
{marks(0)}
@media (prefers-color-scheme: dark) {{
  text {{ fill: #e6edf3; }} .small {{ fill: #9198a1; }}
  {marks(1)}
}}
</style>"""


def document(width, height, title, classes, parts):
    """The whole SVG."""
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
                      'role="img">', f"<title>{escape(title)}</title>", style(classes), *parts, "</svg>"]) + "\n"


class LogScale:
    """Values of one axis on a logarithmic scale, from a power of ten to another. All values must be above 0."""

    def __init__(self, values, start, end):
        self.low = math.floor(math.log10(min(values)))
        self.high = max(self.low + 1, math.ceil(math.log10(max(values)) - 1e-9))
        self.start, self.end = start, end

    def __call__(self, value):
        return self.start + (self.end - self.start) * (math.log10(value) - self.low) / (self.high - self.low)

    def powers(self):
        return [10.0**power for power in range(self.low, self.high + 1)]
