"""Schedules of single layers."""

from sw.schedule import feed_passes, schedule_convolution
from sw.window import Sharing, sharing_of

__all__ = ["schedule_layer", "schedule_together"]


def schedule_layer(layer, config):
    """Schedule of a convolution, its channels in the order in which they are."""
    feed = feed_passes(layer.coefficients, config)
    return schedule_convolution(layer.coefficients, config, sharing_of(layer, config), feed)


def schedule_together(coefficients, config):
    """Schedule of coefficients [K, C, M] whose rows share all multipliers."""
    return schedule_convolution(coefficients, config, Sharing.TOGETHER, feed_passes(coefficients, config))
