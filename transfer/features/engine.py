"""The compiled network: uint8 images in, pooled features out, a fixed batch at a time.

Two engines do this: OpenVINO, here, and Keras in `keras_engine`, for a GPU.
"""

from collections import deque

import numpy as np

from transfer.nets.graphs import VERSION, ov

# Features depend on neither batch nor neighbours (a test says so), but a device may pick other
# kernels for another shape; so the shape is fixed and part of the recipe.
BATCH = 16
UNDER_WAY = 2  # one batch computes while the next is handed in

_HINTS = {"bf16": ov.Type.bf16, "f32": ov.Type.f32}


def runs_in(core, precision):
    """The precision that the CPU of an ov.Core runs `precision` in: f32 where it has no bf16."""
    has_bf16 = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return precision if has_bf16 else "f32"


class BaseEngine:
    """What each engine offers, beside `stream(batches)`.

    versions: {package: version} of what computes, with the device where there are several; device:
    `cpu`, or the GPU's name; precision: what the device really runs, bf16 or f32; batch: B, the
    images it takes at a time; length: D.
    """

    versions: dict
    device: str
    precision: str
    batch: int
    length: int

    def run(self, batches, features):
        """Fills `features` float32 [N, D] from `batches` of (rows, images), rows a list of row
        numbers; see `stream`.  Yields the number of rows of each batch that is done."""
        for rows, found in self.stream(batches):
            features[rows] = found
            yield len(rows)


class Engine(BaseEngine):
    """OpenVINO on the CPU, for a graph from uint8 [B, S, S, 3] to outputs [B, D_i].

    `precision` is f32 where the device has no bfloat16.
    """

    device = "cpu"

    def __init__(self, graph, precision):
        self.versions = {"openvino": VERSION}
        core = ov.Core()
        asked = _HINTS[runs_in(core, precision)]
        # One stream of all cores: the same kernels whatever the number of requests under way.
        settings = {"INFERENCE_PRECISION_HINT": asked, "NUM_STREAMS": 1}
        self._compiled = core.compile_model(graph, "CPU", settings)
        runs = self._compiled.get_property("INFERENCE_PRECISION_HINT")
        self.precision = next(name for name, hint in _HINTS.items() if hint == runs)
        self.batch = graph.input(0).get_partial_shape()[0].get_length()
        self.length = sum(output.get_partial_shape()[1].get_length() for output in graph.outputs)

    def stream(self, batches):
        """Yields (rows, features float32 [n, D]) of each of `batches`, in their order.

        A batch is (rows, images): a list of what its n images are known by, at most B, and uint8
        [B, S, S, 3] of which the first n count.
        """

        # Plain requests and no callbacks: OpenVINO's queue of callbacks can wait for the
        # interpreter's lock while it holds it, when it is torn down (seen in 2026.4).
        idle = [self._compiled.create_infer_request() for _ in range(UNDER_WAY)]
        running = deque()

        def finish():
            request, rows = running.popleft()
            request.wait()
            outputs = [tensor.data[: len(rows)] for tensor in request.output_tensors]
            found = np.concatenate(outputs, axis=1)  # a copy: the next batch is written there
            idle.append(request)
            return rows, found

        for rows, images in batches:
            request = idle.pop()
            request.start_async({0: images})
            running.append((request, rows))
            if not idle:
                yield finish()
        while running:
            yield finish()
