"""Procedural people: one scene description from which the picture and every kind of label are drawn.

`anatomy` (skeleton, kinematics) and `poses` give joints, `looks` and `dress` give clothes and things carried, `shapes`
turns them into tapered capsules, `geometry` sets these up before a `camera`, `raster` draws them with depth, `backdrop`
and `develop` make the photograph around them, `scene` puts it together and reads the labels off the buffers. `styles`
says what the world of each dataset is like, `sampling` takes pictures in it, `sampling_plan` which ones, `labels` (with
`parts` and `attribute_rules`) puts labels into the words of the cards. `suite` writes whole datasets.
"""
