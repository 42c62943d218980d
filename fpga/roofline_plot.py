"""The roofline as a picture that reads without colours: shapes of markers, kinds of lines, numbers."""

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.ticker import EngFormatter

from fpga.label_places import place_labels
from fpga.pictures import DOTS, write_picture

__all__ = ["NOTE", "draw_roofline", "number_ranges", "write_roofline"]

#: What stands below a picture of measured points.
NOTE = "Achieved: cycles of an image of random pixels, from the cycle model; operations that zeros save do not count."
#: State, marker, face, what the legend says.
_STATES = {
    "before": ("o", "white", "attainable, dense"),
    "after": ("s", "tab:blue", "attainable, compressed"),
    "achieved": ("D", "tab:orange", "achieved, compressed"),
}
#: Title of a panel and the states that it shows; the last panel is the network's.
_PANELS = (("layers, dense", ("before",)), ("layers, compressed", ("after", "achieved")))
#: Inches: the whole width, the panels with all around them, a line of the key.
_WIDTH, _HEIGHT, _KEY_LINE = 13, 6.2, 0.145
_KEY_COLUMNS = 5
#: Size of letters, in points.
_LETTERS, _SMALL = 8, 7.5
#: Points of a panel that are closer than this, in pixels, share a label.
_SAME = 6
_NUMBER = EngFormatter(sep="")
#: Kinds of lines.
_SLOPES = {"activation memory": "-.", "host link": ":"}


def write_roofline(path, roofline, title, note=""):
    """Draw a ``sw.roofline.Roofline`` into ``path``, SVG or PNG by its ending; the same roofline gives the same bytes.

    Raises
    ------
    ValueError
        If the ending is another, or no layer computes anything.
    """
    write_picture(path, lambda: draw_roofline(roofline, title, note))


def draw_roofline(roofline, title, note=""):
    """A matplotlib ``Figure`` of a ``sw.roofline.Roofline``; raises ``ValueError`` if no layer computes anything."""
    names = list(roofline.before)
    if not names:
        raise ValueError("expected a layer that computes something, got none; nothing can be drawn")
    rows = -(-len(names) // _KEY_COLUMNS)
    height = _HEIGHT + rows * _KEY_LINE
    figure = Figure(figsize=(_WIDTH, height), dpi=DOTS)
    canvas = FigureCanvasAgg(figure)
    bottom, top = 1 - (_HEIGHT - 0.95) / height, 1 - 0.95 / height
    panels = [
        figure.add_axes((left, bottom, width, top - bottom))
        for left, width in ((0.06, 0.32), (0.4, 0.4), (0.82, 0.165))
    ]
    states = {state: _shown(getattr(roofline, state)) for state in _STATES}
    whole = _shown(roofline.network)
    performances = [point.performance for found in (*states.values(), whole) for point in found.values()]
    peak = roofline.machine.multiply_adds + roofline.machine.adds
    for panel in panels:
        panel.set_xscale("log")
        panel.set_yscale("log")
        panel.set_ylim(min(performances) / 2.5, peak * 2)
        for axis in (panel.xaxis, panel.yaxis):
            axis.set_major_formatter(_NUMBER)
        panel.grid(True, linewidth=0.4, color="0.88")
        panel.tick_params(labelsize=_LETTERS)
    for panel in panels[1:]:
        panel.tick_params(labelleft=False)
    panels[0].set_ylabel("operations a second")
    _layer_panels(panels[:2], names, states, roofline.machine)
    _network_panel(panels[2], whole, roofline.machine)
    _legend(figure, panels, height)
    # The first drawing fixes where everything is.
    canvas.draw()
    for panel, (_, shown) in zip(panels[:2], _PANELS, strict=True):
        _label(panel, canvas.get_renderer(), names, [states[state] for state in shown])
    figure.suptitle(title, y=1 - 0.12 / height, va="top", fontsize=12)
    _key(figure, names, rows, height)
    figure.text(0.012, 0.08 / height, note, fontsize=_SMALL)
    return figure


def _shown(points):
    """Those that a logarithm is defined for."""
    return {name: point for name, point in points.items() if point.performance > 0}


def _layer_panels(panels, names, states, machine):
    intensities = [point.intensity for found in states.values() for point in found.values()]
    for panel, (title, shown) in zip(panels, _PANELS, strict=True):
        panel.set_xlim(min(intensities) / 4, max(intensities) * 4)
        panel.set_title(title, fontsize=10)
        panel.set_xlabel("operations for each byte of the maps", fontsize=9)
        both = machine.multiply_adds + machine.adds
        flat = [(machine.multiply_adds, "multipliers", "-")]
        if "after" in shown:
            flat.append((both, "multipliers and adders", "--"))
        _roofs(panel, flat, machine.memory_bytes, "activation memory")
        for name in names if len(shown) > 1 else ():
            pair = [states[state][name] for state in shown if name in states[state]]
            _join(panel, pair)
        for state in shown:
            if states[state]:
                _mark(panel, state, list(states[state].values()), 24, _STATES[state][2])


def _network_panel(panel, whole, machine):
    intensities = [point.intensity for point in whole.values()]
    most = (machine.multiply_adds + machine.adds) / machine.link_bytes
    panel.set_xlim(min(intensities) / 4, max(most, *intensities) * 4)
    panel.set_title("network, host link", fontsize=10)
    panel.set_xlabel("operations for each byte moved", fontsize=9)
    flat = [(machine.multiply_adds + machine.adds, "multipliers and adders", "--")]
    _roofs(panel, flat, machine.link_bytes, "host link")
    _join(panel, list(whole.values()))
    for state, point in whole.items():
        _mark(panel, state, [point], 60, None)


def _join(panel, points):
    panel.plot(
        [point.intensity for point in points],
        [point.performance for point in points],
        color="0.65",
        linewidth=0.7,
        zorder=1,
    )


def _mark(panel, state, points, size, label):
    marker, face, _ = _STATES[state]
    panel.scatter(
        [point.intensity for point in points],
        [point.performance for point in points],
        marker=marker,
        s=size,
        facecolor=face,
        edgecolor="black",
        linewidth=0.8,
        label=label,
        zorder=3,
    )


def _roofs(panel, flat, bandwidth, name):
    """Horizontal roofs ``[(performance, name, line)]``, and the slope of the memory or link ``name``."""
    left, right = panel.get_xlim()
    style = {"color": "black", "linewidth": 1.2, "zorder": 2}
    for performance, label, line in flat:
        start = min(max(left, performance / bandwidth), right)
        panel.plot(
            [start, right],
            [performance] * 2,
            linestyle=line,
            label=f"{label}, {_NUMBER(performance)}/s",
            **style,
        )
    end = min(right, flat[-1][0] / bandwidth)
    panel.plot(
        [left, max(left, end)],
        [left * bandwidth, max(left, end) * bandwidth],
        linestyle=_SLOPES[name],
        label=f"{name}, {_NUMBER(bandwidth)}B/s",
        **style,
    )


def _legend(figure, panels, height):
    """All kinds of points and lines above the panels, where they hide nothing."""
    entries = {}
    for panel in panels:
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    points = {label: entries.pop(label) for _, _, label in _STATES.values() if label in entries}
    figure.legend(
        [*points.values(), *entries.values()],
        [*points, *entries],
        loc="upper center",
        bbox_to_anchor=(0.5, 1 - 0.36 / height),
        ncols=len(points) + len(entries),
        columnspacing=1.6,
        fontsize=_LETTERS,
        frameon=False,
    )


def _label(panel, renderer, names, states):
    """Numbers beside the points; one text for layers that lie on the same spot."""
    unit = DOTS / 72
    groups = []
    for points in states:
        found = []
        for number, name in enumerate(names, 1):
            if name in points:
                spot = panel.transData.transform((points[name].intensity, points[name].performance))
                near = [members for other, members in found if abs(spot - other).max() < _SAME]
                if near:
                    near[0].append(number)
                else:
                    found.append((spot, [number]))
        groups += found
    spots = [tuple(spot) for spot, _ in groups]
    texts = [number_ranges(members) for _, members in groups]
    obstacles = [(x - 4 * unit, y - 4 * unit, x + 4 * unit, y + 4 * unit) for x, y in spots]
    left, bottom, right, top = panel.get_window_extent().extents
    for line in panel.lines:
        (_, first), (_, last) = panel.transData.transform(line.get_xydata()[[0, -1]])
        if first == last:
            obstacles.append((left, first - 1, right, first + 1))
    far = 1e6
    obstacles += [(-far, -far, left, far), (right, -far, far, far), (-far, -far, far, bottom)]
    obstacles.append((-far, top, far, far))
    font = FontProperties(size=_SMALL)
    # A line is as high as its highest letters would be.
    _, height, _ = renderer.get_text_width_height_descent("lp", font, False)
    widths = [renderer.get_text_width_height_descent(text, font, False)[0] for text in texts]
    sizes = [(width + unit, height + unit) for width in widths]
    centres = place_labels(spots, sizes, obstacles, 4.5 * unit)
    back = panel.transData.inverted()
    for text, spot, centre in zip(texts, spots, centres, strict=True):
        panel.annotate(
            text,
            back.transform(spot),
            xytext=back.transform(centre),
            textcoords="data",
            ha="center",
            va="center",
            fontsize=_SMALL,
            arrowprops={"arrowstyle": "-", "linewidth": 0.4, "color": "0.4", "shrinkA": 0, "shrinkB": 2},
            bbox={"boxstyle": "square,pad=0.05", "facecolor": "white", "edgecolor": "none", "alpha": 0.75},
            zorder=4,
        )


def number_ranges(numbers):
    """``1,3-5``: ascending numbers as a short text."""
    runs = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(f"{first}" if first == last else f"{first}-{last}" for first, last in runs)


def _key(figure, names, rows, height):
    """Numbers and names, in columns."""
    lines = [f"{number:>3} {name}" for number, name in enumerate(names, 1)]
    for column in range(_KEY_COLUMNS):
        figure.text(
            0.04 + column * 0.19,
            (0.32 + rows * _KEY_LINE) / height,
            "\n".join(lines[column * rows : (column + 1) * rows]),
            va="top",
            fontsize=_SMALL,
            family="monospace",
            linespacing=1.2,
        )
