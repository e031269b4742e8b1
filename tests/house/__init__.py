"""The house: layers, one meaning per name, tasks that nobody knows but themselves, hooks that are documented."""
