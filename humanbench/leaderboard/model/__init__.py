"""What stands on the boards: entries and their ranks, the published numbers, what happened when."""
