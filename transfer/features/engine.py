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

# What a device runs: how the floating-point part of its network is computed.  An int8 network has
# one too (the first convolution, AlexNet's normalisation), and bf16 is worth it: AlexNet gives 1.35
# times as many images a CPU second as with f32, the others 1.01 to 1.11.
HINTS = {
    "bf16": ov.Type.bf16,
    "f32": ov.Type.f32,
    "int8": ov.Type.bf16,
    "int8+f32": ov.Type.f32,
}


def runs_in(core, precision):
    """What of `HINTS` the CPU of an ov.Core runs for `precision`, one of bf16, f32 and int8: where
    it has no bf16, f32 for bf16, and int8+f32 for int8.

    int8 without instructions for it is slower, and int8 still: the rounding is the network's.
    """
    if "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        return precision
    return {"bf16": "f32", "int8": "int8+f32"}.get(precision, precision)


class BaseEngine:
    """What each engine offers, beside `stream(batches)`.

    versions: {package: version} of what computes, with the device where there are several; device:
    `cpu`, or the GPU's name; precision: what the device really runs, of `HINTS`; batch: B, the
    images it takes at a time; length: D.
    """

    versions: dict
    device: str
    precision: str
    batch: int
    length: int


class Engine(BaseEngine):
    """OpenVINO on the CPU, for a graph of graphs.open_pooled for the same `precision`, from uint8
    [B, S, S, 3] to outputs [B, D_i].

    The attribute `precision` is what `runs_in` says.
    """

    device = "cpu"

    def __init__(self, graph, precision):
        self.versions = {"openvino": VERSION}
        core = ov.Core()
        asked = runs_in(core, precision)
        # One stream of all cores: the same kernels whatever the number of requests under way.
        settings = {"INFERENCE_PRECISION_HINT": HINTS[asked], "NUM_STREAMS": 1}
        self._compiled = core.compile_model(graph, "CPU", settings)
        runs = self._compiled.get_property("INFERENCE_PRECISION_HINT")
        is_int8 = asked.startswith("int8")
        (self.precision,) = (
            name
            for name, hint in HINTS.items()
            if hint == runs and name.startswith("int8") == is_int8
        )
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
