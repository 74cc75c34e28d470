from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from medicalnet_layout import SHAPE, generated, volume

from eyecli.errors import CheckError
from eyecli.nets import resnet3d
from eyecli.training.backend import load_keras
from eyecli.weights.mapping import load_into, strip

FEATURES = Path(__file__).parent / "data" / "resnet3d_features.npz"
VOLUME = (*SHAPE, 1)


def run(model: Any) -> np.ndarray:
    return load_keras().ops.convert_to_numpy(model(volume(), training=False))[0]


# Parameters of MedicalNet's backbones in millions, and tensors of their checkpoints.
@pytest.mark.parametrize(
    ("depth", "millions", "tensors"),
    [
        (10, 14.3555, 72),
        (18, 32.99, 102),
        (50, 46.16, 318),
        *(
            pytest.param(*known, marks=pytest.mark.slow)
            for known in ((34, 63.30, 198), (101, 85.20, 624), (152, 117.36, 930))
        ),
        pytest.param(200, 126.56, 1218, marks=pytest.mark.slow),
    ],
)
def test_a_file_of_medicalnets_layout_matches_in_full(
    depth: int, millions: float, tensors: int
) -> None:
    model = resnet3d.build(depth, VOLUME)
    trained = sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    assert trained / 1e6 == pytest.approx(millions, abs=0.006)
    arrays = generated(depth)
    before = model.get_layer("layer4_0_conv1").get_weights()[0]
    with pytest.raises(CheckError, match=r"\b0 of \d+ tensors matched") as raised:
        load_into(model.layers, arrays, resnet3d.checkpoint_key, "a file")
    assert raised.value.exit_code == 4
    assert raised.value.hint == "the network has conv1.weight, the file module.conv1.weight"
    np.testing.assert_array_equal(model.get_layer("layer4_0_conv1").get_weights()[0], before)
    report = load_into(model.layers, arrays, resnet3d.checkpoint_key, "a file", strip("module."))
    assert len(arrays) == len(report.matched) == report.total == tensors
    assert report.lines() == [f"a file: {tensors} of {tensors} tensors matched"]
    if depth in (10, 18, 50):
        with np.load(FEATURES) as reference:
            expected = reference[f"{depth}-dilated"]
        assert expected.std() > 0.1
        scale = np.abs(expected).max()
        np.testing.assert_allclose(run(model), expected, rtol=1e-4, atol=1e-5 * scale)


def test_with_strides_it_is_the_function_of_monai() -> None:
    model = resnet3d.build(10, VOLUME, dilated=False)
    load_into(model.layers, generated(10, ""), resnet3d.checkpoint_key, "a file")
    with np.load(FEATURES) as reference:
        expected, other = reference["10-strided"], reference["10-dilated"]
    scale = np.abs(expected).max()
    np.testing.assert_allclose(run(model), expected, rtol=1e-4, atol=1e-5 * scale)
    assert np.abs(expected - other).max() > 0.1 * scale


def test_the_map_is_an_eighth_of_the_volume_where_layers_are_dilated() -> None:
    assert resnet3d.build(10, (32, 48, 40, 1), None).output_shape == (None, 4, 6, 5, 512)
    strided = resnet3d.build(10, (32, 48, 40, 1), None, dilated=False)
    assert strided.output_shape == (None, 1, 2, 2, 512)
    assert resnet3d.build(50, (32, 32, 32, 3), "max").output_shape == (None, 2048)
