"""How the neighbours differ: the same small inputs through every tool, as the page docs/peers.md."""
