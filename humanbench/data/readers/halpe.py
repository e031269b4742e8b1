"""Halpe Full-Body: a COCO-form file per split with 136 keypoints, of which the card keeps the body's.

The filtered file of the paper's toolchain (20 keypoints) is read as well.
"""

from humanbench.data.readers.coco_keypoints import OPTIONS, read

__all__ = ["OPTIONS", "read"]
