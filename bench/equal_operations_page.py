"""The table and the picture of the methods at equal operations, for ``docs/compression.md``."""

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from fpga.curves import MARKERS
from fpga.pictures import write_picture
from sw.files import replace_file

from .compression_page import PAGE
from .page import page_with

__all__ = ["PICTURE", "draw", "page", "write"]

PICTURE = PAGE.with_name("equal-operations.svg")
_HEADINGS = ["operations cut", "method", "left", "before pruning", "before fine-tuning", "after", "each seed"]


def write(record):
    """Write both anew from what is stored."""
    replace_file(PAGE, page(PAGE.read_text(), record))
    write_picture(PICTURE, lambda: draw(record))


def page(text, record):
    """The page with its table written anew."""
    title = f"`{record['network']}`, top-1 in %, {len(record['settings']['seeds'])} seeds"
    rows = [_row(arm, record) for arm in record["arms"]]
    return page_with(text, [(title, _HEADINGS, rows)], align="---", command=record["command"])


def _row(arm, record):
    runs = [run for run in record["runs"] if (run["arm"], run["cut"]) == (arm["arm"], arm["cut"])]
    return [
        f"{arm['cut']:.0%}",
        arm["arm"],
        f"{arm['left']['mean']:.1%}",
        *(_spread(arm[key]) for key in ("start", "before", "after")),
        ", ".join(f"{100 * run['after']:.1f}" for run in runs),
    ]


def _spread(number):
    return f"{100 * number['mean']:.2f} ± {100 * number['deviation']:.2f}"


def draw(record):
    """A matplotlib ``Figure``: top-1 before and after fine-tuning, arms side by side at each cut; bars and the band are deviations of the seeds."""
    figure = Figure(figsize=(10, 4.4), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(f"{record['network']}: mean and deviation of {len(record['settings']['seeds'])} seeds")
    dense = next(arm for arm in record["arms"] if not arm["cut"])
    cuts = record["settings"]["cuts"]
    names = list(dict.fromkeys(arm["arm"] for arm in record["arms"] if arm["cut"]))
    titles = {"before": "before fine-tuning", "after": "after fine-tuning"}
    for panel, (key, title) in zip(figure.subplots(1, 2), titles.items(), strict=True):
        mean, deviation = (100 * dense[key][number] for number in ("mean", "deviation"))
        panel.axhspan(mean - deviation, mean + deviation, color="0.9")
        panel.axhline(mean, color="black", linestyle="--", linewidth=1, label="dense")
        for number, name in enumerate(names):
            ours = [arm for arm in record["arms"] if arm["arm"] == name]
            panel.errorbar(
                [cuts.index(arm["cut"]) + 0.12 * (number - (len(names) - 1) / 2) for arm in ours],
                [100 * arm[key]["mean"] for arm in ours],
                [100 * arm[key]["deviation"] for arm in ours],
                marker=MARKERS[number],
                linestyle="none",
                capsize=3,
                label=name,
            )
        panel.set_title(title)
        panel.set_xticks(range(len(cuts)), [f"{cut:.0%}" for cut in cuts])
        panel.set_xlim(-0.5, len(cuts) - 0.5)
        panel.set_xlabel("operations cut")
        panel.set_ylabel("top-1, %")
        panel.grid(axis="y", alpha=0.3)
    panel.legend(loc="lower left")
    return figure
