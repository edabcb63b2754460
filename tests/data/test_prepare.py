import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pipeline.data import prepare as module
from pipeline.data.prepare import network_input, prepare
from pipeline.errors import PipelineError
from specs.input import InputSpec

SIDES = st.integers(1, 12)
IMAGES = arrays.arrays(np.uint8, st.tuples(st.integers(0, 3), SIDES, SIDES, st.integers(1, 3)))


def contract(height: int, width: int, channels: int = 1, **fields: object) -> InputSpec:
    return InputSpec.model_validate({"shape": (height, width, channels), **fields})


def test_bilinear_takes_pixel_centres_at_half_integers_and_repeats_the_border() -> None:
    raw = np.array([0, 100], dtype=np.uint8).reshape(1, 1, 2, 1)
    # centres of the four new pixels lie at -0.25, 0.25, 0.75 and 1.25 of the old ones
    assert prepare(raw, contract(1, 4))[0, 0, :, 0].tolist() == [0, 25, 75, 100]
    assert prepare(raw.reshape(1, 2, 1, 1), contract(4, 1))[0, :, 0, 0].tolist() == [0, 25, 75, 100]


def test_one_rounding_half_up_at_the_end() -> None:
    raw = np.array([[0, 1], [1, 0]], dtype=np.uint8).reshape(1, 2, 2, 1)
    assert prepare(raw, contract(1, 1)).item() == 1  # exactly one half


def test_nearest_takes_the_pixel_under_the_centre() -> None:
    raw = np.array([10, 20, 30], dtype=np.uint8).reshape(1, 1, 3, 1)
    spec = contract(1, 5, resize="nearest")
    assert prepare(raw, spec)[0, 0, :, 0].tolist() == [10, 10, 20, 30, 30]


@given(IMAGES, SIDES, SIDES)
def test_bilinear_is_float_interpolation_to_one_step(raw: np.ndarray, h: int, w: int) -> None:
    def weights(source: int, target: int) -> np.ndarray:
        at = (np.arange(target) + 0.5) * source / target - 0.5
        rows = [np.interp(at, np.arange(source), unit) for unit in np.eye(source)]
        return np.stack(rows, axis=1)

    vertical, horizontal = weights(raw.shape[1], h), weights(raw.shape[2], w)
    exact = np.einsum("ij,njkc,lk->nilc", vertical, raw, horizontal)
    found = prepare(raw, contract(h, w, raw.shape[3]))
    # two weights, each half a step of 1/2048 off at most, on values up to 255; then the rounding
    assert np.abs(found - exact).max(initial=0) <= 0.5 + 2 * 255 / 4096 + 1e-9


@given(IMAGES, SIDES, SIDES, st.sampled_from(["bilinear", "nearest"]))
def test_shape_and_bounds(raw: np.ndarray, h: int, w: int, resize: str) -> None:
    found = prepare(raw, contract(h, w, raw.shape[3], resize=resize))
    assert found.shape == (len(raw), h, w, raw.shape[3])
    assert found.dtype == np.uint8
    for image, prepared in zip(raw, found, strict=True):
        assert prepared.min() >= image.min()
        assert prepared.max() <= image.max()


@given(st.integers(0, 255), SIDES, SIDES, SIDES, SIDES, st.sampled_from(["bilinear", "nearest"]))
def test_a_constant_stays_constant(v: int, a: int, b: int, h: int, w: int, resize: str) -> None:
    raw = np.full((2, a, b, 1), v, dtype=np.uint8)
    assert (prepare(raw, contract(h, w, resize=resize)) == v).all()


@given(IMAGES, st.sampled_from(["bilinear", "nearest", "none"]))
def test_the_right_size_is_left_as_it_is(raw: np.ndarray, resize: str) -> None:
    assert (prepare(raw, contract(*raw.shape[1:], resize=resize)) == raw).all()


@settings(max_examples=20)
@given(IMAGES, SIDES, SIDES)
def test_an_image_does_not_depend_on_its_neighbours(raw: np.ndarray, h: int, w: int) -> None:
    spec = contract(h, w, raw.shape[3])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_BLOCK", 1)
        alone = prepare(raw, spec)
    assert (prepare(raw, spec) == alone).all()


def test_what_the_contract_refuses() -> None:
    raw = np.zeros((1, 8, 8, 1), dtype=np.uint8)
    with pytest.raises(
        PipelineError, match=r'28x28x1: the images are 8x8 and input.resize = "none"'
    ):
        prepare(raw, contract(28, 28, resize="none"))
    with pytest.raises(PipelineError, match=r"32x32x3: the images have 1 channels"):
        prepare(raw, contract(32, 32, 3))
    planes = np.zeros((5, 3, 8, 9), np.uint8)
    with pytest.raises(PipelineError) as caught:
        prepare(planes, contract(8, 9, 3))
    assert str(caught.value) == (
        "input.shape = 8x9x3: the images have 9 channels; [5, 3, 8, 9] looks like [N, C, H, W], "
        "and [N, H, W, C] is wanted: images.transpose(0, 2, 3, 1)"
    )
    assert prepare(planes.transpose(0, 2, 3, 1), contract(8, 9, 3)).shape == (5, 8, 9, 3)
    with pytest.raises(TypeError, match=r"uint8 \[N, h, w, C\], not float32"):
        prepare(raw.astype(np.float32), contract(28, 28))


def test_network_input_scales_and_normalises_in_float32() -> None:
    spec = contract(1, 3, scale=0.5, mean=1.0, std=2.0)
    values = network_input(np.array([0, 2, 255], dtype=np.uint8).reshape(1, 1, 3, 1), spec)
    assert values.dtype == np.float32
    assert values[0, 0, :, 0].tolist() == [-0.5, 0.0, 63.25]


def test_network_input_has_a_mean_and_a_std_for_each_channel() -> None:
    spec = contract(1, 2, 3, scale=0.5, mean=(0, 1, 2), std=(1, 2, 4))
    raw = np.array([[0, 4, 8], [2, 6, 12]], np.uint8).reshape(1, 1, 2, 3)
    assert network_input(raw, spec)[0, 0].tolist() == [[0, 0.5, 0.5], [1, 1, 1]]


def test_data_is_light_to_import() -> None:
    code = "import sys, pipeline.data, pipeline.data.prepare; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_values_beyond_the_inputs_datatype_are_refused() -> None:
    images = np.full((2, 4, 4, 1), 16, np.uint8)
    for size in ((4, 4, 1), (2, 2, 1)):
        contract = InputSpec(shape=size, dtype="UINT4")
        with pytest.raises(PipelineError, match=r"UINT4: holds 0 to 15.*values from 0 to 16"):
            prepare(images, contract)
        assert prepare(images - 1, contract).max() == 15
    vectors = InputSpec(shape=(3,), dtype="INT3")
    assert prepare(np.array([[-4, 0, 3]], np.int8), vectors).tolist() == [[-4, 0, 3]]
    with pytest.raises(PipelineError, match="INT3: holds -4 to 3"):
        prepare(np.array([[-5, 0, 3]], np.int8), vectors)


def test_signed_maps_stay_as_they_are_and_are_not_resized() -> None:
    contract = InputSpec(shape=(3, 2, 1), dtype="INT4", scale=1.0)
    maps = np.arange(-6, 6).astype(np.int8).reshape(2, 3, 2, 1)
    assert np.array_equal(prepare(maps, contract), maps)
    with pytest.raises(PipelineError, match="holds -8 to 7"):
        prepare(maps * 2, contract)
    with pytest.raises(PipelineError, match="only unsigned pixels are resized"):
        prepare(np.zeros((1, 4, 4, 1), np.int8), contract)
    with pytest.raises(TypeError, match="must be uint8"):
        prepare(maps, InputSpec(shape=(3, 2, 1)))
