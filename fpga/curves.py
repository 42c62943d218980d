"""Pictures of accuracy against what it costs: the panels that all of them share."""

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

__all__ = ["MARKERS", "accuracy_figure"]

#: Of lines or points, in turn: they differ without colours, too.
MARKERS = "osD^v<>pP*X"
#: What the accuracy is drawn against: key of a point, and title of the axis.
_PANELS = {
    "cycles": "cycles an image",
    "image_bits": "bits of the image",
    "operations": "additions and multiply-adds",
}


def accuracy_figure(title, dense_accuracy):
    """A matplotlib ``Figure`` and its empty panels, ``{key: Axes}``: top-1 in % against cycles, bits and operations.

    Parameters
    ----------
    title : str
    dense_accuracy : float
        From 0 to 1, of the dense network, as a dashed line.
    """
    figure = Figure(figsize=(13, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title)
    panels = dict(zip(_PANELS, figure.subplots(1, len(_PANELS), sharey=True), strict=True))
    for key, panel in panels.items():
        panel.axhline(100 * dense_accuracy, color="black", linestyle="--", linewidth=1, label="dense")
        panel.set_xlabel(_PANELS[key])
        panel.xaxis.set_major_formatter(EngFormatter(sep=""))
        panel.grid(alpha=0.3)
    panels["cycles"].set_ylabel("top-1, %")
    return figure, panels
