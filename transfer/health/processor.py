"""What the CPU has for the precision that params.yaml asks for, and whether a GPU is used."""

import os

from transfer.features import gpus, instructions
from transfer.features.engine import runs_in
from transfer.health.findings import off, well
from transfer.nets import graphs


def check(run):
    """The Finding about the CPU for run.Run."""
    has = instructions.here()
    return judged(run.choice, has, runs_in(graphs.ov.Core(), run.choice.precision))


def judged(choice, has, runs):
    """The Finding for a choices.Choice on a CPU of the instruction sets `has` where OpenVINO runs
    `runs`, one of engine.HINTS."""
    asked = choice.precision
    said = f"{', '.join(has) or 'neither AVX-512, AMX nor VNNI'}"
    if choice.engine != "openvino":
        return well("cpu", f"{said}; {choice.engine} computes, in {asked}")
    if asked == "int8" and not {"VNNI", "AMX int8"} & set(has):
        return off(
            "cpu",
            f"int8 is slow here: the CPU has neither VNNI nor AMX ({said})",
            "choose extract.precision: f32",
        )
    if runs != asked and asked == "bf16":
        return off(
            "cpu",
            f"bf16 is asked for and runs as {runs}: the CPU has no bf16 ({said})",
            "choose extract.precision: f32, which says what runs and computes the same",
        )
    if asked == "int8":
        rest = "f32, as it has no bf16" if runs == "int8+f32" else "bf16"
        return well("cpu", f"{said}; int8 runs as asked, what is not int8 in {rest}")
    faster = "; bf16 would be faster" if asked == "f32" and _has_bf16(has) else ""
    return well("cpu", f"{said}; {runs} runs as asked{faster}")


def _has_bf16(has):
    return bool({"AVX-512 bf16", "AMX bf16"} & set(has))


def gpu(run):
    """The Finding about the GPU; TensorFlow, which alone uses it, is not imported for it."""
    lacking = gpus.lacking()
    if not lacking:
        unused = "" if run.choice.engine == "keras" else f"; unused, {run.choice.engine} computes"
        return well("gpu", f"TensorFlow can use it{unused}")
    # A GPU that the user hides or has no engine for is as wanted.
    wanted = run.given["extract.engine"] != "openvino" and run.choice.precision != "int8"
    if gpus.is_here() and wanted and "CUDA_VISIBLE_DEVICES" not in os.environ:
        return off("gpu", f"not used: {lacking}", "mend that, or choose extract.engine: openvino")
    return well("gpu", f"{lacking}; {run.choice.engine} computes on the CPU")
