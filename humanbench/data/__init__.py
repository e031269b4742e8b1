"""From a card to a table of samples: readers, their checks, and pictures of what was read."""
