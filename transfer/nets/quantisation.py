"""int8: the converted network quantised after training, calibrated on pictures, beside the float
one in its backbone folder.

By NNCF, to 8 bits: weights symmetrically a filter, activations symmetrically a tensor.  Two choices
are not its defaults, for what they give on real photos with real weights (rms error of the features
by their standard deviation over images, flowers and CIFAR-10):

- The range of a tensor is that of all values seen.  The mean of each picture's extremes clips what
  pictures of high contrast give: SqueezeNet's features of flowers are off by .27 so, by .07 else.
- The first convolution stays in floating point (as in Krishnamoorthi 2018, arXiv:1806.08342, many
  keep it): steps of 8 bits in the pixels are coarse for pictures of low contrast, and all that
  follows sees them.  ResNet50: .17 and .29 off with it in int8, .11 and .21 without.

What a network gives out stays in floating point too, and so does the pooling after it.
"""

import contextlib
import io
import logging

from tqdm import tqdm

from transfer.nets import graphs
from transfer.nets.graphs import ov
from transfer.writing import write_json


def quantise(folder, squares):
    """Writes the int8 form of the converted network in `folder` as graphs.QUANTISED, and its hash
    and NNCF's version into backbone.json.

    squares: uint8 RGB [S, S, 3] each, of the size that the network is calibrated at.  Equal
    networks and squares make equal bytes.
    """
    # Half a second, which only this needs; `graphs` has seen to it that nothing is reported.
    import nncf  # noqa: PLC0415
    from nncf.quantization import range_estimator  # noqa: PLC0415

    nncf.set_log_level(logging.ERROR)
    settings = nncf.AdvancedQuantizationParameters(
        activations_range_estimator_params=range_estimator.RangeEstimatorParametersSet.MINMAX
    )
    with (
        tqdm(desc="quantise", total=len(squares), unit="img", disable=None) as bar,
        contextlib.redirect_stdout(io.StringIO()),  # NNCF's own bars, which it draws in files too
    ):

        def sample(square):
            bar.update()
            return square[None]

        graph = ov.Core().read_model(folder / graphs.GRAPH)
        quantised = nncf.quantize(
            graph,
            nncf.Dataset(squares, sample),
            subset_size=len(squares),
            ignored_scope=nncf.IgnoredScope(names=_first_convolution(graph)),
            advanced_parameters=settings,
        )
    # Given names count what the process made before: not the same bytes each time.
    for i, op in enumerate(quantised.get_ordered_ops()):
        op.set_friendly_name(f"{op.get_type_name().lower()}_{i}")
    for name in graphs.QUANTISED:  # as in graphs.save
        (folder / name).unlink(missing_ok=True)
    graphs.write(quantised, folder / graphs.QUANTISED[0])
    about = graphs.read_about(folder)
    versions = about["versions"] | {"nncf": nncf.__version__}
    hashed = {"quantised": graphs.digest(folder, graphs.QUANTISED), "versions": versions}
    write_json(folder / graphs.ABOUT, about | hashed)


def _first_convolution(graph):
    """[the name of the first convolution of `graph`, an ov.Model], or [] where there is none."""
    kinds = ("Convolution", "GroupConvolution")
    found = [op for op in graph.get_ordered_ops() if op.get_type_name() in kinds]
    return [op.get_friendly_name() for op in found[:1]]
