"""Procedural people: one scene description from which the picture and every kind of label are drawn.

`anatomy` (skeleton, kinematics) and `poses` give joints, `looks` and `dress` give clothes and things carried, `shapes`
turns them into tapered capsules, `geometry` sets these up before a `camera`, `raster` draws them with depth, `backdrop`
and `develop` make the photograph around them, `scene` puts it together and says what can be said of everybody in it.
`styles` says what the world of each dataset is like, `sampling` takes pictures in it, `sampling_plan` says which ones
(`shots`), `suite` writes whole datasets with the processes of a `pool`.

What is labelled is a task's business: it offers a `task_scenes.TaskScenes`, which `labels` asks for the rows of a
picture. `attribute_rules`, `keypoint_rules` and `part_rules` put a scene into the words of the cards.
"""
