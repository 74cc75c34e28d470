"""How the fixtures beside this were made, with torch 2.13.0 and safetensors 0.8.0 (not needed
by the tests): ``python make.py`` in this folder. Values are k * 0.5 - 3 for k = 0, 1, ..., or
k * 0.5 in the files of all types.
"""

from collections import OrderedDict

import torch
from safetensors.torch import save_file

TYPES = (
    "float64 float32 float16 bfloat16 complex64 int64 int32 int16 int8 uint64 uint32 uint16 uint8 "
    "bool"
).split()


def values(*size: int) -> torch.Tensor:
    count = 1
    for n in size:
        count *= n
    return (torch.arange(count, dtype=torch.float64) * 0.5 - 3).reshape(size)


base = values(6, 5).float()
types = OrderedDict((name, (values(2, 3) + 3).to(getattr(torch, name))) for name in TYPES)
views = OrderedDict(
    base=base, transposed=base.t(), row=base[2], steps=base[::2, 1::2], diagonal=base.diagonal(),
    expanded=base[0].expand(4, 5), scalar=base[1, 1], empty=torch.zeros(0, 7),
    parameter=torch.nn.Parameter(values(2)), bfloat16=values(4, 4).bfloat16()[1:, 2:],
    channels_last=values(2, 3, 2, 2).to(memory_format=torch.channels_last),
)  # fmt: skip
net = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3, bias=False), torch.nn.BatchNorm2d(3))
torch.nn.init.constant_(net[0].weight, 0.25)
optimizer = torch.optim.Adam(net.parameters())
net(torch.ones(1, 2, 4, 4)).sum().backward()
torch.nn.init.constant_(net[0].weight, 0.25)
training = {
    "epoch": 3, "best": 0.5, "arch": "net", "nothing": None, "device": torch.device("cuda", 1),
    "size": torch.Size([1, 2]), "type": torch.float32, "optimizer": optimizer.state_dict(),
    "state_dict": net.state_dict(), "large": 10**20,
}  # fmt: skip
for name, content in (("types", types), ("views", views), ("training", training)):
    for container, is_zip in (("zip", True), ("legacy", False)):
        torch.save(content, f"{name}.{container}.pth", _use_new_zipfile_serialization=is_zip)
torch.save(net, "whole.zip.pth")
torch.save(views, "views.protocol4.pth", pickle_protocol=4)
save_file(dict(types), "types.safetensors", metadata={"format": "pt"})
