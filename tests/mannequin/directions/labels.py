"""Labels of the task: nothing about them is particular."""

from __future__ import annotations

from humanbench.tasks.base import TaskLabels

labels = TaskLabels()
