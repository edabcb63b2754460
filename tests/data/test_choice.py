"""A choice of images has all classes in it, however the data are sorted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data.choice import in_proportion, over_classes

Labels = st.lists(st.integers(0, 6), min_size=1, max_size=60).map(np.array)


def test_one_of_each_class_in_turn_and_small_classes_run_out() -> None:
    labels = np.array([0, 0, 0, 0, 1, 1, 3])
    assert over_classes(labels, 100, 7).tolist() == [0, 4, 6, 1, 5, 2, 3]


def test_without_labels_the_first_ones() -> None:
    assert over_classes(None, 3, 10).tolist() == [0, 1, 2]
    assert over_classes(None, 30, 4).tolist() == [0, 1, 2, 3]


@given(Labels, st.integers(1, 70))
def test_balanced_as_far_as_the_images_go(labels: np.ndarray, count: int) -> None:
    chosen = over_classes(labels, count, len(labels))
    assert len(chosen) == len(set(chosen.tolist())) == min(count, len(labels))
    sizes = np.bincount(labels)
    taken = np.bincount(labels[chosen], minlength=len(sizes))
    rest = taken[taken < sizes]
    assert rest.size == 0 or taken.max() - rest.min() <= 1


@given(Labels, st.integers(1, 30))
def test_a_smaller_choice_begins_a_larger_one(labels: np.ndarray, count: int) -> None:
    larger = over_classes(labels, count + 5, len(labels))
    assert over_classes(labels, count, len(labels)).tolist() == larger[:count].tolist()


@given(Labels, st.integers(0, 99))
def test_the_classes_chosen_do_not_depend_on_the_order(labels: np.ndarray, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(labels))
    kept, mixed = labels, labels[order]
    for count in range(1, len(labels)):
        first = kept[over_classes(kept, count, len(kept))]
        second = mixed[over_classes(mixed, count, len(mixed))]
        assert first.tolist() == second.tolist()


@given(Labels, st.integers(1, 70))
def test_in_proportion_each_class_has_its_share(labels: np.ndarray, count: int) -> None:
    chosen = in_proportion(labels, count)
    assert chosen.tolist() == sorted(set(chosen.tolist()))
    assert len(chosen) == min(count, len(labels))
    shares = np.bincount(labels) * len(chosen) / len(labels)
    taken = np.bincount(labels[chosen], minlength=len(shares))
    assert np.abs(taken - shares).max() <= 1 + 1e-9


def test_in_proportion_the_order_does_not_matter() -> None:
    in_turn = np.tile([0, 1], 20)  # every second image is of one class
    assert np.bincount(in_turn[in_proportion(in_turn, 20)]).tolist() == [10, 10]


def test_all_images_keep_their_order() -> None:
    labels = np.array([2, 0, 1, 0])
    assert in_proportion(labels, 9).tolist() == [0, 1, 2, 3]
    assert in_proportion(np.repeat([0, 1], [30, 10]), 4).tolist() == [5, 15, 25, 35]


@pytest.mark.parametrize("classes", [2, 100])
def test_sorted_and_unbalanced_data(classes: int) -> None:
    labels = np.repeat(np.arange(classes), np.arange(1, classes + 1) ** 2)
    chosen = labels[over_classes(labels, 64, len(labels))]
    assert len(np.unique(chosen)) == min(64, classes)
