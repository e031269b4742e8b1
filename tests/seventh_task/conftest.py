"""The package beside this file is read in processes of their own, where it is installed; see test_seventh_task."""

collect_ignore_glob = ["humanbench_heading/*"]
