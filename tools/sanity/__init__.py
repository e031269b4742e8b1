"""How hard the embedded suite is: simple learners on the 19 evaluation datasets, scored by `humanbench.score`.

`python -m tools.sanity --data-root DIR --out docs/embedded-suite-table.md` writes the table.
"""
