"""How weights are moved, for finetuning and pretraining alike.

`optimisers` and `schedules` are two tables, an entry each; `sections` types what recipes say of them; `groups` gives
parameters their rates and decays; `adafactor` is the optimiser of the released code.
"""
