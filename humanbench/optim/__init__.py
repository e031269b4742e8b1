"""How weights are moved, for finetuning and pretraining alike.

`optimisers` and `schedules` are two tables, an entry each, and what recipes say of them, typed by `sections`; `groups`
gives parameters their rates and decays; `adafactor` is the optimiser of the released code.
"""
