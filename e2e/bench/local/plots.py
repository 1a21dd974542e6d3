"""Plots as small SVG files: grouped bars with a spread, and lines. They read well on light and dark pages."""

import math
from html import escape

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 720, 300, 64, 40, 56
COLOURS = ["#2f6fb3", "#d9822b", "#4d9a58", "#9c5fb0", "#b34a4a", "#777777"]


class Plot:
    """A frame with a title, a legend and an axis of values that begins at nothing."""

    def __init__(self, title, unit, series, most):
        self.most = 4 * step(1.05 * most / 4 or 1.0)
        self.parts = [f'<text x="{LEFT}" y="20" font-weight="bold">{escape(title)}</text>']
        at = LEFT
        for n, name in enumerate(series):
            self.rectangle(at, 32, 10, 10, n)
            self.text(at + 14, 41, name)
            at += 30 + 6.6 * len(name)
        for n in range(5):
            value = self.most * n / 4
            self.line(LEFT, self.y(value), WIDTH - 8, self.y(value), "#8884")
            self.text(LEFT - 6, self.y(value) + 4, f"{value:g}", "end")
        self.text(
            12,
            (TOP + HEIGHT - BOTTOM) / 2,
            unit,
            "middle",
            f' transform="rotate(-90 12 {(TOP + HEIGHT - BOTTOM) / 2})"',
        )

    def y(self, value):
        return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * value / self.most

    def text(self, x, y, words, anchor="start", more=""):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>{escape(words)}</text>')

    def line(self, x, y, to_x, to_y, colour):
        self.parts.append(f'<path d="M{x:.1f} {y:.1f}L{to_x:.1f} {to_y:.1f}" stroke="{colour}"/>')

    def rectangle(self, x, y, width, height, n):
        self.parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{COLOURS[n % len(COLOURS)]}"/>'
        )

    def done(self):
        head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12" fill="#888">'
        return "\n".join([head, *self.parts, "</svg>\n"])


def step(least):
    """The next round number: 1, 2, 2.5 or 5 times a power of ten."""
    power = 10 ** math.floor(math.log10(least))
    return next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= least)


def bars(title, unit, series, groups):
    """`groups` are (name, a value for each series); a value is a number, or (median, least, most)."""
    spread = lambda value: value if isinstance(value, (list, tuple)) else (value, value, value)
    plot = Plot(title, unit, series, max(spread(value)[2] for _, values in groups for value in values))
    room = (WIDTH - LEFT - 8) / len(groups)
    width = 0.8 * room / len(series)
    for g, (name, values) in enumerate(groups):
        begin = LEFT + g * room + 0.1 * room
        plot.text(begin + 0.4 * room, HEIGHT - BOTTOM + 18, name, "middle")
        for n, value in enumerate(values):
            (median, least, most), x = spread(value), begin + n * width
            plot.rectangle(x, plot.y(median), width * 0.9, plot.y(0) - plot.y(median), n)
            plot.text(x + 0.45 * width, plot.y(most) - 4, f"{median:.3g}", "middle")
            if most > least:
                plot.line(x + 0.45 * width, plot.y(least), x + 0.45 * width, plot.y(most), "#888")
    return plot.done()


def lines(title, unit, x_unit, series):
    """`series` are name and points, (x, y) each; the axis of x begins at nothing as well."""
    points = [point for _, points in series for point in points]
    plot = Plot(title, unit, [name for name, _ in series], max(y for _, y in points))
    last = max(x for x, _ in points)
    place = lambda x: LEFT + (WIDTH - LEFT - 24) * x / last
    for x in sorted({x for x, _ in points}):
        plot.text(place(x), HEIGHT - BOTTOM + 18, f"{x:g} {x_unit}", "middle")
    for n, (_, points) in enumerate(series):
        path = "L".join(f"{place(x):.1f} {plot.y(y):.1f}" for x, y in points)
        plot.parts.append(f'<path d="M{path}" fill="none" stroke="{COLOURS[n % len(COLOURS)]}" stroke-width="2"/>')
        for x, y in points:
            plot.rectangle(place(x) - 3, plot.y(y) - 3, 6, 6, n)
    return plot.done()
