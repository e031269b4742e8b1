"""Malformed inputs over all verbs, seeded and bounded: every one must end in one sentence, and nothing forged comes in.

`values`: what is put in; `ground`: what it is put into; `inputs`: the families, one trial each; `trials`: many of them,
counted; `lost`: commands that are killed. The command is in `__main__`.
"""
