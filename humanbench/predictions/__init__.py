"""The field's file formats for predictions: read with suspicion, written whole or not at all.

`names` pairs the names in a file with sample ids, `records` are COCO result lists, `tables` CSV files, `arrays` NumPy
archives and `maps` folders or zip archives of label maps. What a dataset's predictions must hold is the business of
`humanbench.tasks`; these modules make sure that a file is what its format says, with a `PredictionError` otherwise.
"""
