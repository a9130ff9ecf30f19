#!/usr/bin/python3
"""Puts what steward-peers measured into the documentation.

    plot.py SAMPLES.json DOCS_DIR

Writes DOCS_DIR/benchmarks.svg, and DOCS_DIR/benchmarks.md between the two marks that it has for this. No library.
"""
import json
import math
import sys
from html import escape
from pathlib import Path

SIDES = ("steward", "bare", "runit", "s6", "supervisord", "monit")
BEGIN, END = "<!-- measured: begin -->\n", "<!-- measured: end -->\n"

WIDTH, LABEL, VALUE = 890, 96, 120
BAR, GAP, HEAD = 15, 5, 34
# Of the reader's choice of light or dark; an <img> follows it, too.
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #24292f } .head { font-weight: 600 } .other { fill: #8c959f }
.steward { fill: #0969da } .tail { stroke: #57606a; stroke-width: 1.5 } .axis { stroke: #d0d7de }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .other { fill: #6e7681 } .steward { fill: #4493f8 } .tail { stroke: #9198a1 } .axis { stroke: #3d444d } }
"""


def percentile(values, percent):
    """The nearest rank, as in report.cpp."""
    ordered = sorted(values)
    return ordered[max(math.ceil(percent / 100 * len(ordered)), 1) - 1]


def short(value):
    return f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"


def panel(row, top):
    """One row of the table as bars. Returns its lines and its height."""
    shown = [side for side in SIDES if side in row["samples"] or side in row["remarks"]]
    medians = {side: percentile(values, 50) for side, values in row["samples"].items() if values}
    tails = {side: percentile(values, 1 if row["most_wins"] else 99) for side, values in row["samples"].items() if values}
    largest = max([*medians.values(), *tails.values(), 1e-9])
    above_zero = [value for value in medians.values() if value > 0]
    logarithmic = bool(above_zero) and min(above_zero) * 50 < largest and 0 not in medians.values()
    room = WIDTH - LABEL - VALUE

    def reach(value):
        if not logarithmic:
            return value / largest * room
        least = 10 ** math.floor(math.log10(min(above_zero)))
        return max(math.log10(max(value, least) / least) / math.log10(largest / least), 0.003) * room

    notes = [row["unit"]] + (["logarithmic"] if logarithmic else []) + (["more is better"] if row["most_wins"] else [])
    lines = [f'<text class="head" x="0" y="{top + 14}">{escape(row["what"].replace("`", ""))} ({", ".join(notes)})</text>']
    at = top + HEAD - 10
    lines.append(f'<line class="axis" x1="{LABEL}" x2="{LABEL}" y1="{at - 2}" y2="{at + len(shown) * (BAR + GAP)}"/>')
    for side in shown:
        middle = at + BAR / 2
        lines.append(f'<text x="{LABEL - 8}" y="{middle + 4:.0f}" text-anchor="end">{side}</text>')
        if side in medians:
            length, tail = reach(medians[side]), reach(tails[side])
            kind = "steward" if side == "steward" else "other"
            lines.append(f'<rect class="{kind}" x="{LABEL}" y="{at}" width="{max(length, 1):.1f}" height="{BAR}"/>')
            if len(row["samples"][side]) > 1:
                lines.append(f'<line class="tail" x1="{LABEL + length:.1f}" x2="{LABEL + tail:.1f}" y1="{middle}" y2="{middle}"/>')
            lines.append(f'<text x="{LABEL + max(length, tail) + 6:.0f}" y="{middle + 4:.0f}">{short(medians[side])}</text>')
        else:
            lines.append(f'<text x="{LABEL + 6}" y="{middle + 4:.0f}">{escape(row["remarks"][side])}</text>')
        at += BAR + GAP
    return lines, at - top + 14


def drawing(rows):
    lines, height = [], 4
    for row in rows:
        more, used = panel(row, height)
        lines += more
        height += used
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}">',
                      f"<style>{STYLE}</style>", *lines, "</svg>", ""])


def missed(table):
    """The rows whose last cell has something in bold: an aim that was missed, or who is ahead."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    found = [f"- {row[0]}: {row[-1].replace('**', '')}\n" for row in rows if "**" in row[-1]]
    return "\nWhere Steward misses an aim:\n\n" + "".join(found) if found else "\nSteward misses no aim.\n"


def section(data):
    busy = "" if max(data["load_before"], data["load_after"]) <= data["processors"] else (
        " **The machine was busy with other work: neither the times nor the ratios of this run say much.**")
    return (f"Measured on {data['date']}: {data['processors']} processors, {data['memory_gib']} GiB of memory, Linux {data['kernel']}; load "
            f"average {data['load_before']} before and {data['load_after']} after. {data['peers']}.{busy}\n\n{data['table']}{missed(data['table'])}")


def main():
    samples, docs = Path(sys.argv[1]), Path(sys.argv[2])
    data = json.loads(samples.read_text(encoding="utf-8"))
    page = docs / "benchmarks.md"
    before, rest = page.read_text(encoding="utf-8").split(BEGIN)
    _, after = rest.split(END)
    page.write_text(before + BEGIN + section(data) + END + after, encoding="utf-8")
    (docs / "benchmarks.svg").write_text(drawing(data["rows"]), encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main()
