"""A small builder of ONNX graphs over `onnx.helper`; used where models are made, never where they run.

`Graph` names nodes by itself, so a detector reads like its formula:
`g.op("ReduceMean", g.op("Mul", z, z), g.ints(-1), keepdims=0)`. Everything is float64: raw telemetry has offsets
of 1e9 over steps of 1e-3, and the gateway must agree with the twin within 1e-6.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Graph", "IR_VERSION", "OPSET"]

OPSET = 18  # what onnxruntime since 1.14 runs, so old gateways can
IR_VERSION = 9


class Graph:
    """Collects nodes, constants, inputs and outputs; `to_bytes` gives one checked single-file model."""

    def __init__(self, name: str) -> None:
        import onnx

        self._onnx, self.name, self._count = onnx, name, 0
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._shared: dict[bytes, str] = {}

    def input(self, name: str, shape: list[int | str], kind: type = np.float64) -> str:
        """Declare an input; a text in `shape` is a free axis."""
        self._inputs.append(self._info(name, shape, kind))
        return name

    def output(self, name: str, value: str, shape: list[int | str], kind: type = np.float64) -> None:
        """Give `value` out under `name`."""
        self._nodes.append(self._onnx.helper.make_node("Identity", [value], [name]))
        self._outputs.append(self._info(name, shape, kind))

    def const(self, array: ArrayLike, kind: type = np.float64) -> str:
        """A constant; equal ones are stored once."""
        value: NDArray[Any] = np.ascontiguousarray(np.asarray(array, kind))
        key = str((value.dtype, value.shape)).encode() + value.tobytes()
        if key not in self._shared:
            name = self._shared[key] = self._fresh("c")
            self._constants.append(self._onnx.numpy_helper.from_array(value, name))
        return self._shared[key]

    def ints(self, *values: int) -> str:
        """A constant vector of int64: axes, starts, ends."""
        return self.const(values, np.int64)

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output and give its name."""
        return self.ops(kind, 1, *inputs, **attributes)[0]

    def ops(self, kind: str, outputs: int, *inputs: str, **attributes: Any) -> list[str]:
        """Add a node with several outputs."""
        names = [self._fresh(kind) for _ in range(outputs)]
        self._nodes.append(self._onnx.helper.make_node(kind, list(inputs), names, **attributes))
        return names

    def last(self, value: str, count: int, axis: int) -> str:
        """The last `count` entries along `axis`."""
        return self.op("Slice", value, self.ints(-count), self.ints(np.iinfo(np.int64).max), self.ints(axis))

    def mean(self, value: str, axis: int) -> str:
        """The mean along one axis, which goes."""
        return self.op("ReduceMean", value, self.ints(axis), keepdims=0)

    def total(self, value: str, axis: int) -> str:
        """The sum along one axis, which goes."""
        return self.op("ReduceSum", value, self.ints(axis), keepdims=0)

    def clip(self, value: str, low: float, high: float) -> str:
        """Limit to [low, high]."""
        return self.op("Clip", value, self.const(low), self.const(high))

    def body(self) -> Any:
        """As a sub-graph, for Scan: the constants travel inside."""
        return self._onnx.helper.make_graph(self._nodes, self.name, self._inputs, self._outputs, self._constants)

    def to_bytes(self, metadata: Mapping[str, str]) -> bytes:
        """The finished model: one file, checked, with its metadata."""
        helper = self._onnx.helper
        model = helper.make_model(
            self.body(), opset_imports=[helper.make_opsetid("", OPSET)], producer_name="aid4", ir_version=IR_VERSION
        )
        for key, value in metadata.items():
            entry = model.metadata_props.add()
            entry.key, entry.value = key, value
        self._onnx.checker.check_model(model)
        return bytes(model.SerializeToString(deterministic=True))

    def _fresh(self, kind: str) -> str:
        self._count += 1
        return f"{self.name}.{kind.lower()}{self._count}"

    def _info(self, name: str, shape: list[int | str], kind: type) -> Any:
        element = self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(kind))
        return self._onnx.helper.make_tensor_value_info(name, element, shape)
