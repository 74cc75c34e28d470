"""The pickles in PyTorch files, read without unpickling: an interpreter of the opcodes that
tensors, numbers, strings, lists and dicts need. No name in a file is ever looked up or called.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from eyecli.errors import DataError
from eyecli.weights.tensors import DTYPES, Tensor

# A network of 1,218 tensors takes 0.2 MB.
LARGEST = 4 * 2**20
# In elements.
LONGEST = 2**58
WAY_OUT = (
    "where the file was made, save tensors alone: torch.save(model.state_dict(), 'weights.pth')"
)
# What the classes of storages hold; the untyped ones are told by the tensor.
STORAGES = {
    "torch.DoubleStorage": "float64", "torch.FloatStorage": "float32",
    "torch.HalfStorage": "float16", "torch.BFloat16Storage": "bfloat16",
    "torch.ComplexFloatStorage": "complex64", "torch.ComplexDoubleStorage": "complex128",
    "torch.LongStorage": "int64", "torch.IntStorage": "int32", "torch.ShortStorage": "int16",
    "torch.CharStorage": "int8", "torch.ByteStorage": "uint8", "torch.BoolStorage": "bool",
    "torch.storage.UntypedStorage": "uint8",
}  # fmt: skip


@dataclass(frozen=True)
class Storage:
    """A storage that the file holds: its key, the type of its elements and their number."""

    key: str
    dtype: str
    elements: int


@dataclass(frozen=True)
class Named:
    """A name in the file: of a function that is called, of a class or of a type."""

    name: str


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *rest: Any) -> Tensor:
    """Stand for ``_rebuild_tensor`` and ``_rebuild_tensor_v2``."""
    if len(rest) > 2 and rest[2]:
        raise ValueError("a tensor with flags of its own (conjugate, negative)")
    return Tensor(
        storage.key, storage.dtype, offset, _require(size, tuple), _require(stride, tuple)
    )


def _tensor_v3(
    storage: Any, offset: Any, size: Any, stride: Any, _1: Any, _2: Any, dtype: Any, *rest: Any
) -> Tensor:
    """Stand for ``_rebuild_tensor_v3``: of a storage that does not know its type."""
    if rest and rest[0]:
        raise ValueError("a tensor with flags of its own (conjugate, negative)")
    name = dtype.name.removeprefix("torch.")
    if name not in DTYPES:
        raise ValueError(f"{name} in place of a type")
    return Tensor(storage.key, name, offset, _require(size, tuple), _require(stride, tuple))


def _ordered(items: Any = None) -> dict[Any, Any]:
    """Stand for ``OrderedDict``; Python 2 gives it its items."""
    if items is None:
        return {}
    made = {_key(key): value for key, value in _require(items, list)}
    # So that no pickle makes many large dicts of one list.
    items.clear()
    return made


# What is computed in place of the functions that a file names.
CALLS: dict[str, Callable[..., object]] = {
    "collections.OrderedDict": _ordered,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor_v3,
    "torch._utils._rebuild_parameter": lambda data, requires_grad, hooks: data,
    "torch.Size": lambda size=(): _require(size, tuple),
    "torch.device": lambda kind, index=None: _require(kind, str),
}
KNOWN = {*CALLS, *STORAGES, *(f"torch.{name}" for name in DTYPES)}


def read_pickle(stream: BinaryIO, path: Path) -> tuple[object, dict[str, Storage]]:
    """Interpret one pickle.

    Parameters
    ----------
    stream
        Of its bytes and no more than `LARGEST` of them; left where the pickle ends.
    path
        The file it is of.

    Returns
    -------
    object
        Dicts, lists, tuples, strings, numbers, `Tensor`, `Storage` and `Named`.
    dict
        Key to storage.

    Raises
    ------
    DataError
        If it is damaged, or holds anything else: that is named.
    """
    try:
        return _interpret(stream, path)
    except (ValueError, TypeError, IndexError, KeyError, AttributeError, OverflowError) as error:
        # Of a damaged file, the words may be anything, of any length.
        raise DataError(f"{path}: damaged: {_short(str(error))}") from error


def _interpret(stream: BinaryIO, path: Path) -> tuple[object, dict[str, Storage]]:
    stack: list[Any] = []
    below: list[list[Any]] = []
    memo: dict[int, Any] = {}
    storages: dict[str, Storage] = {}
    words: Iterator[tuple[Any, Any, int | None]] = pickletools.genops(stream)
    for opcode, argument, _ in words:
        match opcode.name:  # the frequent ones first
            case "BINPUT" | "LONG_BINPUT":
                memo[argument] = stack[-1]
            case "MEMOIZE":
                memo[len(memo)] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[argument])
            case "PROTO" | "FRAME":
                pass
            case "STOP":
                return stack.pop(), storages
            case "MARK":
                below.append(stack)
                stack = []
            case "POP":
                stack.pop()
            case "NONE":
                stack.append(None)
            case "NEWTRUE" | "NEWFALSE":
                stack.append(opcode.name == "NEWTRUE")
            case "BININT" | "BININT1" | "BININT2" | "LONG1" | "LONG4":
                stack.append(_integer(argument))
            case "BINUNICODE" | "SHORT_BINUNICODE" | "BINUNICODE8" | "BINFLOAT":
                stack.append(argument)
            case "BINSTRING" | "SHORT_BINSTRING":  # of Python 2
                stack.append(argument)
            case "EMPTY_DICT":
                stack.append({})
            case "EMPTY_LIST":
                stack.append([])
            case "EMPTY_TUPLE":
                stack.append(())
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                count = int(opcode.name[-1])
                items = [stack.pop() for _ in range(count)]
                stack.append(tuple(reversed(items)))
            case "TUPLE":
                stack, items = below.pop(), stack
                stack.append(tuple(items))
            case "APPEND":
                item = stack.pop()
                _require(stack[-1], list).append(item)
            case "APPENDS":
                stack, items = below.pop(), stack
                _require(stack[-1], list).extend(items)
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                _require(stack[-1], dict)[_key(key)] = value
            case "SETITEMS":
                stack, items = below.pop(), stack
                pairs = zip(items[::2], items[1::2], strict=True)
                _require(stack[-1], dict).update((_key(key), value) for key, value in pairs)
            case "GLOBAL":
                stack.append(_named(argument.replace(" ", "."), path))
            case "STACK_GLOBAL":
                name, module = stack.pop(), stack.pop()
                stack.append(_named(f"{_require(module, str)}.{_require(name, str)}", path))
            case "BINPERSID":
                storage = _storage(stack.pop())
                if storages.setdefault(storage.key, storage) != storage:
                    raise ValueError(f"two descriptions of storage {storage.key}")
                stack.append(storage)
            case "REDUCE":
                arguments, function = _require(stack.pop(), tuple), _require(stack.pop(), Named)
                stack.append(CALLS[function.name](*arguments))
            case "BUILD":
                # Attributes of an OrderedDict: the versions of a network's modules.
                stack.pop()
                _require(stack[-1], dict)
            case other:
                raise DataError(f"{path}: holds a {other}, which no tensor needs", WAY_OUT)
    raise ValueError("no end")


def _named(name: str, path: Path) -> Named:
    if name not in KNOWN:
        raise DataError(
            f"{path}: holds '{_short(name)}', which is more than tensors, numbers, strings, lists "
            "and dicts: refused, and nothing of it was run",
            WAY_OUT,
        )
    return Named(name)


def _storage(reference: Any) -> Storage:
    """Return what a persistent id says of a storage; where it was (a GPU) does not matter."""
    kind, cls, key, _, elements, *view = _require(reference, tuple)
    if kind != "storage" or any(part is not None for part in view):
        raise ValueError("no storage where one should be")
    if not 0 <= _integer(elements) < LONGEST:
        raise ValueError("a storage of absurd length")
    return Storage(_require(key, str), STORAGES[cls.name], elements)


def _require(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise ValueError(f"a {type(value).__name__} in place of a {kind.__name__}")
    return value


def _integer(value: Any) -> int:
    if not isinstance(value, int) or value.bit_length() > 256:
        raise ValueError("an integer of absurd size")
    return value


def _key(key: Any) -> str | int:
    """Return a key of a dict; the hash of nested tuples could take for ever."""
    if not isinstance(key, str | int):
        raise ValueError(f"a {type(key).__name__} as the key of a dict")
    return key


def _short(text: str) -> str:
    """Return words of a file for a message."""
    return ascii(text)[1:-1][:120]
