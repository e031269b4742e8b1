"""The engine: fits a backbone with a head to a dataset, predicts, and keeps what a frozen trunk gives.

It knows tasks only through `humanbench.tasks.training` and backbones only through `Backbone`. One cell (dataset,
backbone, recipe, seed) goes through `humanbench.engine.cell`; which cells there are, `humanbench.evaluation` decides.
"""
