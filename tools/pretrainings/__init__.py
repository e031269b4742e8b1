"""The mini backbones compared on the embedded suite: without training, masked autoencoding, PATH and its ablations."""
