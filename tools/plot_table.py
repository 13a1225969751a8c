#!/usr/bin/env python3
"""Draws a table: one curve for each value of a column, as SVG, from a CSV of kvstrata-sim.

plot_table.py TABLE.csv --x COLUMN --y COLUMN [--by COLUMN] [--where COLUMN=VALUE ...] [--out FILE.svg]

Rows of one curve and one x are averaged. Where the table has a column NAME_95 beside --y NAME, it is the half width of an
interval, and is drawn as a bar. --x is drawn on a logarithmic scale where its values are all above 0 and span a factor of 8.
Without --out the picture goes to standard output.
"""

import argparse
import csv
import math
import os
import sys
from xml.sax.saxutils import escape

COLOURS = ["#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb", "#000000"]
LEFT, TOP, WIDTH, HEIGHT = 70, 20, 520, 320


class Fault(Exception):
    pass


def number(row, column, line):
    text = row[column]
    if text is None:
        raise Fault(f"line {line} ends before {column}")
    try:
        value = float(text)
    except ValueError:
        raise Fault(f"line {line}: {column} is '{text}', which is no number") from None
    if not abs(value) < 1e300:
        raise Fault(f"line {line}: {column} is {value}, which cannot be drawn")
    return value


def read(path, x, y, by, where):
    """{curve: {x: (mean y, mean half width)}}"""
    with open(path, newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        columns = rows.fieldnames or []
        for column in [x, y] + ([by] if by else []) + [name for name, _ in where]:
            if column not in columns:
                raise Fault(f"{path} has no column '{column}'; it has: {', '.join(columns)}")
        found = {}
        for row in rows:
            if any(row[name] != value for name, value in where):
                continue
            half = f"{y}_95"
            point = (number(row, y, rows.line_num), number(row, half, rows.line_num) if row.get(half) else 0)
            found.setdefault(row[by] if by else y, {}).setdefault(number(row, x, rows.line_num), []).append(point)
    if not found:
        raise Fault(f"{path} has no row to draw")
    return {curve: {at: tuple(sum(p[i] for p in points) / len(points) for i in (0, 1)) for at, points in sorted(xs.items())}
            for curve, xs in found.items()}


def ticks(low, high):
    step = 10 ** math.floor(math.log10((high - low) / 4))
    step *= next(k for k in (1, 2, 5, 10) if (high - low) / (step * k) <= 6)
    return [i * step for i in range(math.ceil(low / step), math.floor(high / step + 1e-9) + 1)]


def draw(curves, x_name, y_name):
    xs = sorted({at for points in curves.values() for at in points})
    highest = max(mean + half for points in curves.values() for mean, half in points.values())
    lowest = min(0.0, min(mean - half for points in curves.values() for mean, half in points.values()))
    if highest <= lowest:
        highest = lowest + 1
    logarithmic = xs[0] > 0 and xs[-1] >= 8 * xs[0]
    scale = math.log if logarithmic else float
    span = scale(xs[-1]) - scale(xs[0]) or 1

    def to_x(value):
        return LEFT + WIDTH * (scale(value) - scale(xs[0])) / span

    def to_y(value):
        return TOP + HEIGHT * (highest - value) / (highest - lowest)

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 190}" height="{TOP + HEIGHT + 50}" '
           'font-family="sans-serif" font-size="12">', '<rect width="100%" height="100%" fill="white"/>']

    def text(at_x, at_y, words, anchor="start"):
        out.append(f'<text x="{at_x:.1f}" y="{at_y:.1f}" text-anchor="{anchor}">{escape(words)}</text>')

    for value in ticks(lowest, highest):
        out.append(f'<line x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{to_y(value):.1f}" y2="{to_y(value):.1f}" stroke="#ddd"/>')
        text(LEFT - 6, to_y(value) + 4, f"{value:g}", "end")
    free = -math.inf  # labels on a logarithmic scale may stand close: one that would meet the one before is left out
    for value in xs if logarithmic or len(xs) <= 8 else ticks(xs[0], xs[-1]):
        half = 4 * len(f"{value:g}")
        if to_x(value) - half < free:
            continue
        text(to_x(value), TOP + HEIGHT + 16, f"{value:g}", "middle")
        free = to_x(value) + half
    text(LEFT + WIDTH / 2, TOP + HEIGHT + 38, x_name, "middle")
    text(LEFT, TOP - 6, y_name)
    for i, (name, points) in enumerate(curves.items()):
        colour = COLOURS[i % len(COLOURS)]
        path = " ".join(f"{to_x(at):.1f},{to_y(mean):.1f}" for at, (mean, _) in points.items())
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for at, (mean, half) in points.items():
            out.append(f'<circle cx="{to_x(at):.1f}" cy="{to_y(mean):.1f}" r="3" fill="{colour}"/>')
            if half > 0:
                out.append(f'<line x1="{to_x(at):.1f}" x2="{to_x(at):.1f}" y1="{to_y(mean - half):.1f}" '
                           f'y2="{to_y(mean + half):.1f}" stroke="{colour}"/>')
        row = TOP + 16 * i + 10
        out.append(f'<rect x="{LEFT + WIDTH + 14}" y="{row - 9}" width="10" height="10" fill="{colour}"/>')
        text(LEFT + WIDTH + 30, row, name)
    return "\n".join(out) + "\n</svg>\n"


def condition(words):
    name, sign, value = words.partition("=")
    if not sign:
        raise argparse.ArgumentTypeError(f"'{words}' is no COLUMN=VALUE")
    return name, value


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table")
    parser.add_argument("--x", required=True)
    parser.add_argument("--y", required=True)
    parser.add_argument("--by")
    parser.add_argument("--where", type=condition, action="append", default=[])
    parser.add_argument("--out")
    asked = parser.parse_args()
    try:
        picture = draw(read(asked.table, asked.x, asked.y, asked.by, asked.where), asked.x, asked.y)
        if asked.out:
            if os.path.exists(asked.out) and os.path.samefile(asked.out, asked.table):
                raise Fault(f"--out is '{asked.out}', but that is the table")
            with open(asked.out, "w", encoding="utf-8") as file:
                file.write(picture)
        else:
            sys.stdout.write(picture)
    except (Fault, OSError, csv.Error, UnicodeError) as fault:
        print(f"plot_table.py: {fault}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
