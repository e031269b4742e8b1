#!/usr/bin/env bash
# Importing scipy.io, to read a MAT file, imports numpy.f2py (a parser of Fortran), numpy.testing, numpy.ctypeslib and the
# deprecated numpy.core too.
#
# Input: a MAT file with one small matrix, written and read by SciPy; the modules of NumPy that are there before and after.
# Guess before the run: reading needs sparse matrices, so that scipy.sparse is loaded, and nothing of NumPy beyond what
# `import numpy` has loaded, whose rarer submodules are only loaded when somebody names them.
# Seen with SciPy 1.17.1 and NumPy 2.4.6: twelve submodules of NumPy are added, among them f2py, testing, ctypeslib and
# core. scipy.sparse makes a copy of NumPy's namespace and asks for every name that dir(numpy) lists, which loads each of
# those submodules.
# The script ends with 0 as long as that is so, and with 1 when it is otherwise.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/read.py" <<'PY'
import sys

import numpy

before = set(sys.modules)
import scipy.io

scipy.io.savemat("matrix.mat", {"a": [[1.0, 2.0]]})
assert scipy.io.loadmat("matrix.mat")["a"].tolist() == [[1.0, 2.0]]
added = sorted(m for m in set(sys.modules) - before if m.startswith("numpy.") and m.count(".") == 1)
print(scipy.__version__, numpy.__version__, len(added), added)
sys.exit(not {"numpy.f2py", "numpy.testing", "numpy.ctypeslib", "numpy.core"} <= set(added))
PY
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet scipy==1.17.1 numpy==2.4.6
cd "$folder" && venv/bin/python read.py
