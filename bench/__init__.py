"""Runnable benchmarks: our time and extra memory against a named peer, in the same run, on inputs made from a seed."""
