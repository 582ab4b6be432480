"""Transfer learning from cached bottleneck features.

One alphabet of shapes is used in every docstring and trailing comment:
N images, H x W pixels, D feature length, C classes.  Images are uint8 RGB [H, W, 3] with values
0..255; features are float32 [N, D]; labels are integers 0..C-1.
"""
