"""The leaderboard: a static site of results, and the door through which results of others come in.

`frames` gathers results into entries and boards, `ranking` orders them with their uncertainty, `charts` draws SVG,
`site` writes the pages, `validity` checks them. `bundle` makes a submission, `archive` opens one with suspicion,
`checking` recomputes its numbers, `store` keeps the accepted ones, `pushing` offers one to a repository on the hub.
"""
