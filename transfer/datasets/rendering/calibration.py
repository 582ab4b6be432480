"""Pictures that reach the values that photos reach in a network: what int8 is calibrated on.

Scenes of the rendered sample without its signs, each stretched to full contrast.  A tensor's range
must hold what photos give, so contrast decides, and it is had for nothing.  Error of int8 features
(rms by standard deviation, SqueezeNet, flowers and CIFAR-10, all layers in int8) when calibrated on

    natural photos                        .067  .149
    these scenes                          .061  .163
    dead leaves, at full contrast         .067  .171
    signs of the sample                   .080  .134
    dead leaves of four resolutions       .119  .146
    coloured 1/f noise, at full contrast  .184  .123
    coloured 1/f noise                    .320  .122
"""

import numpy as np

from transfer.datasets.rendering import sample, scenes

COUNT = 160
SIDE = 128  # pixels
SEED = 0
CLIPPED = 1  # percent of the values, at either end


def pictures():
    """Yields COUNT pictures, uint8 RGB [SIDE, SIDE, 3], the same ones on every run."""
    look = sample.Look(size=SIDE)
    nothing = np.zeros((8, 8, 4), np.float32)  # the face of no sign
    for i in range(COUNT):
        yield _stretched(scenes.photograph(look, nothing, np.random.default_rng([SEED, i])))


def _stretched(pixels):
    low, high = np.percentile(pixels, [CLIPPED, 100 - CLIPPED])
    return np.clip((pixels - low) * (255 / max(high - low, 1)), 0, 255).astype(np.uint8)
