"""What a run leaves behind: a result per cell and seed as a file, and how results are read again.

`record` is a result and its file, `loading` and `stored` read them, `cells` groups them over seeds and says what a
cell's number is and how certain, `noise` how much it moves with the training seed alone, `apart` when two differ.
"""

from humanbench.results.loading import Results, load_results
from humanbench.results.record import (
    FOLDER,
    FORWARD,
    SCHEMA_VERSION,
    Cell,
    Cost,
    Document,
    Provenance,
    Result,
    ResultError,
    Storage,
    TrainingPart,
    latest,
    migrate,
    read_result,
    result_files,
)

__all__ = [
    "FOLDER", "FORWARD", "SCHEMA_VERSION", "Cell", "Cost", "Document", "Provenance", "Result", "ResultError", "Results",
    "Storage", "TrainingPart", "latest", "load_results", "migrate", "read_result", "result_files",
]  # fmt: skip
