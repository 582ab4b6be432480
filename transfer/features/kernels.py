"""The kernels that a card may name for the resizing of its images; Pillow's are in `resizing`."""

KERNELS = ("bicubic", "bilinear", "nearest")
