"""The tasks: one folder each, with the same few files.

`base` says what a task is, `registry` which there are. A folder holds the task's object (`__init__`, which imports no
torch) and its parts, each loaded when it is first asked for:

    predictions.py   the file format of predictions, and their score
    labels.py        what the labels of a sample table may be and how they are counted
    training.py      data sets, head and decoding; the only part that imports torch
    drawing.py       pictures of labels and of predictions
    procedural.py    labels that the embedded suite's scenes give

docs/extending.md says how another package brings a task.
"""
