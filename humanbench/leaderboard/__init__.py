"""The leaderboard: a static site of results, and the door through which results of others come in.

`model` makes results into entries and boards and ranks them with their uncertainty. `submissions` makes a submission of
a run, opens one with suspicion, recomputes its numbers, keeps the accepted ones. `site` writes the pages. Each imports
only what stands before it here.
"""
