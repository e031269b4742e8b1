"""Pretraining of backbones on the registry: PATH and masked autoencoding.

`recipe` says what is trained on what (protocols/pretrain/), `entries` reads it from disk, `network` is what is trained
(`path` the projector, `mae` the masked autoencoder), `loop` trains it in one process or many, `entry_checkpoints`
writes it, `direct` tests what was written.
"""
