"""Labels of parsing: a map of classes per picture, which is looked at together with its picture."""

from __future__ import annotations

from humanbench.tasks.base import TaskLabels

labels = TaskLabels()
