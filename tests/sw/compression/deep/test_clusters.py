"""Clusters of weights: their starting points, empty ones, few values; that a cluster's centroid is its mean."""

import numpy as np
import pytest

from sw.compression.deep.clusters import STARTS, cluster, starting_points


def weights(count=1000, seed=5):
    """Numbers as trained layers have them: many small ones, few large."""
    return np.random.default_rng(seed).laplace(size=count).astype(np.float32)


def error(values, centroids, labels):
    return float(np.square(values - centroids[labels]).sum())


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("count", [1, 15, 63])
def test_every_value_is_nearest_to_its_centroid_and_centroids_are_means(start, count):
    values = weights()
    centroids, labels = cluster(values, count, start=start)
    assert centroids.dtype == np.float32 and (np.diff(centroids) > 0).all()
    # No cluster is left empty.
    assert np.array_equal(np.unique(labels), np.arange(len(centroids))) and len(centroids) == count
    distance = np.abs(values[:, None] - centroids)
    assert np.allclose(distance[np.arange(len(values)), labels], distance.min(1), atol=1e-6)
    means = [values[labels == place].mean() for place in range(count)]
    assert np.allclose(means, centroids, atol=1e-5)


def test_starting_points_are_those_of_the_paper():
    values = np.concatenate((np.linspace(0, 1, 99), [100.0]))
    assert np.allclose(starting_points(values, 5, "linear"), [0, 25, 50, 75, 100])
    assert starting_points(values, 5, "density").max() < 1
    assert set(starting_points(values, 5, "random", 1)) <= set(values)
    assert not np.array_equal(
        starting_points(values, 5, "random", 1), starting_points(values, 5, "random", 2)
    )


def test_more_clusters_fit_better():
    values = weights()
    errors = [error(values, *cluster(values, count)) for count in (1, 3, 7, 15, 31)]
    assert errors == sorted(errors, reverse=True) and errors[-1] < 0.01 * errors[0]


def test_the_same_arguments_give_the_same_clusters():
    first, second = (cluster(weights(), 31, start="random", seed=4) for _ in range(2))
    assert first[0].tobytes() == second[0].tobytes() and np.array_equal(first[1], second[1])


@pytest.mark.parametrize("values", [[], [3.0], [1.0, 2.0, 1.0], [0.5, 0.5, 0.5, 0.5]])
def test_few_values_are_their_own_centroids(values):
    values = np.array(values, np.float32)
    centroids, labels = cluster(values, 3)
    assert np.array_equal(centroids[labels], values) and len(centroids) == len(np.unique(values))


def test_an_unknown_start_is_refused():
    with pytest.raises(ValueError, match="expected a start from linear, density, random, got 'middle'"):
        cluster(weights(), 3, start="middle")
