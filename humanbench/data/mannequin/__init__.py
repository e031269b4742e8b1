"""Procedural people: one scene description from which the picture and every kind of label are drawn.

`anatomy` (skeleton, kinematics) and `poses` give joints, `looks` gives clothes and things carried, `shapes` turns both
into tapered capsules, `camera` and `raster` draw them with depth, `backdrop` and `develop` make the photograph around
them, `scene` puts it together and reads the labels off the buffers. All arrays are batched over people.
"""
