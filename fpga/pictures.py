"""Pictures as files whose bytes depend on what is drawn alone."""

import io

import matplotlib

from sw.files import replace_file

__all__ = ["DOTS", "write_picture"]

#: Of a PNG, for each inch.
DOTS = 150
#: What matplotlib would say of itself and of the time.
_METADATA = {".svg": {"Date": None, "Creator": None}, ".png": {"Software": None}}


def write_picture(path, draw):
    """Write the matplotlib ``Figure`` that ``draw()`` gives into ``path``, SVG or PNG by its ending; the same figure gives the same bytes.

    Raises
    ------
    ValueError
        If the ending is another.
    """
    if path.suffix not in _METADATA:
        raise ValueError(f"expected a file called .svg or .png, got {path.name}")
    content = io.BytesIO()
    # Parts of an SVG get random names otherwise.
    with matplotlib.rc_context({"svg.hashsalt": "farthing"}):
        draw().savefig(content, format=path.suffix[1:], metadata=_METADATA[path.suffix], dpi=DOTS)
    replace_file(path, content.getvalue())
