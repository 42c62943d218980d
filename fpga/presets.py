"""Configurations by the name of a preset or from a preset file."""

import json
from pathlib import Path

from hw.config import PRESETS, Config
from sw.files import replace_file

__all__ = ["find_config", "write_config"]


def find_config(text):
    """``Config`` called ``text``, or that of the preset file ``text``, which ``farthing explore`` writes.

    Raises
    ------
    ValueError
        If there is no preset of this name and no such file, or the file holds no configuration.
    """
    path = Path(text)
    if text in PRESETS or not path.is_file():
        return Config.preset(text)
    try:
        return Config.from_dict(json.loads(path.read_text()))
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(
            f"expected a configuration in the preset file {path}, got: {error}; make one with farthing explore"
        ) from None


def write_config(path, config):
    """Write a preset file: every value of the configuration by its name, as JSON."""
    replace_file(path, json.dumps(config.to_dict(), indent=2) + "\n")
