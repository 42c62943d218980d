"""A few values that stand for many: k-means in one dimension, from starting points that are given."""

import numpy as np

__all__ = ["STARTS", "cluster", "starting_points"]

#: Ways to choose starting points, as in section 3.2 of the paper.
STARTS = ("linear", "density", "random")
_ROUNDS = 300


def starting_points(values, count, start, seed=0):
    """At most ``count`` different starting points for clusters of ``values``, float64, in rising order.

    Parameters
    ----------
    values : array
        [n], at least one.
    start : {"linear", "density", "random"}
        Equal steps from the least value to the greatest, which gives large weights, that are few, centroids of their own; as many
        values between neighbours; or values drawn at random.
    seed : int
        Of ``"random"``.

    Raises
    ------
    ValueError
        If ``start`` is none of these.
    """
    values = (
        np.unique(np.asarray(values, np.float64)) if start == "random" else np.asarray(values, np.float64)
    )
    if start == "linear":
        points = np.linspace(values.min(), values.max(), count)
    elif start == "density":
        points = np.quantile(values, (np.arange(count) + 0.5) / count)
    elif start == "random":
        points = np.random.default_rng(seed).choice(values, min(count, len(values)), replace=False)
    else:
        raise ValueError(f"expected a start from {', '.join(STARTS)}, got {start!r}")
    return np.unique(points)


def cluster(values, count, *, start="linear", seed=0):
    """The centroids of at most ``count`` clusters of ``values``, and the cluster of each value.

    A cluster that runs empty takes the value that is furthest from its centroid. The same arguments give the same clusters.

    Parameters
    ----------
    values : array
        Of any shape.
    count : int
        From 1. Fewer come back where there are fewer different values.
    start, seed
        As for ``starting_points``.

    Returns
    -------
    centroids : array
        float32 [k], in rising order; none where there are no values.
    labels : array
        int64, of the shape of ``values``.
    """
    values = np.asarray(values)
    if not values.size:
        return np.zeros(0, np.float32), np.zeros(values.shape, np.int64)
    column = values.reshape(-1, 1).astype(np.float64)
    different = np.unique(column)
    if len(different) <= count:
        centroids, labels = different, np.searchsorted(different, column[:, 0])
    else:
        centroids, labels = _means(column, starting_points(column[:, 0], count, start, seed))
    order, labels = np.unique(labels, return_inverse=True)
    centroids = centroids[order]
    rising = np.argsort(centroids, kind="stable")
    place = np.empty_like(rising)
    place[rising] = np.arange(len(rising))
    return centroids[rising].astype(np.float32), place[labels].reshape(values.shape)


def _means(column, points):
    # It takes a second to import, and other methods do without it.
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    means = KMeans(len(points), init=points[:, None], n_init=1, max_iter=_ROUNDS, tol=0.0)
    # The order in which several threads add decides the last bits of a mean.
    with threadpool_limits(1):
        means.fit(column)
    return means.cluster_centers_[:, 0], means.labels_
