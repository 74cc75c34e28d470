"""Write `resnet3d_features.npz`: MedicalNet's networks in a few lines of PyTorch."""

import sys
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).parents[1]))
from medicalnet_layout import BLOCKS, generated, volume


def features(depth: int, dilated: bool) -> np.ndarray:
    w = {name: torch.from_numpy(np.array(a)).double() for name, a in generated(depth, "").items()}

    def conv(x: torch.Tensor, name: str, stride: int = 1, dilation: int = 1) -> torch.Tensor:
        kernel = w[f"{name}.weight"]
        padding = dilation * (kernel.shape[-1] // 2)
        return functional.conv3d(x, kernel, None, stride, padding, dilation)

    def norm(x: torch.Tensor, name: str) -> torch.Tensor:
        mean, var = w[f"{name}.running_mean"], w[f"{name}.running_var"]
        return functional.batch_norm(x, mean, var, w[f"{name}.weight"], w[f"{name}.bias"], eps=1e-5)

    x = torch.from_numpy(volume()).double().permute(0, 4, 1, 2, 3)
    x = functional.relu(norm(conv(x, "conv1", 2), "bn1"))
    x = functional.max_pool3d(x, 3, 2, 1)
    strides = (1, 2, 1, 1) if dilated else (1, 2, 2, 2)
    dilations = (1, 1, 2, 4) if dilated else (1, 1, 1, 1)
    for layer in range(1, 5):
        for i in range(BLOCKS[depth][layer - 1]):
            name = f"layer{layer}.{i}"
            stride, dilation = strides[layer - 1] if i == 0 else 1, dilations[layer - 1]
            if depth > 34:
                y = functional.relu(norm(conv(x, f"{name}.conv1"), f"{name}.bn1"))
                y = functional.relu(norm(conv(y, f"{name}.conv2", stride, dilation), f"{name}.bn2"))
                y = norm(conv(y, f"{name}.conv3"), f"{name}.bn3")
            else:
                y = functional.relu(norm(conv(x, f"{name}.conv1", stride, dilation), f"{name}.bn1"))
                y = norm(conv(y, f"{name}.conv2", 1, dilation), f"{name}.bn2")
            if f"{name}.downsample.0.weight" in w:
                x = norm(conv(x, f"{name}.downsample.0", stride), f"{name}.downsample.1")
            elif x.shape != y.shape:
                x = functional.avg_pool3d(x, 1, stride)
                zeros = torch.zeros(*x.shape[:1], y.shape[1] - x.shape[1], *x.shape[2:])
                x = torch.cat([x, zeros.to(x)], 1)
            x = functional.relu(x + y)
    return x.mean((2, 3, 4))[0].float().numpy()


if __name__ == "__main__":
    found = {
        f"{depth}-{'dilated' if dilated else 'strided'}": features(depth, dilated)
        for depth, dilated in ((10, True), (10, False), (18, True), (50, True))
    }
    np.savez(Path(__file__).with_name("resnet3d_features.npz"), **found)
