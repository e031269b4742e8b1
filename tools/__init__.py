"""Generators and checkers: what writes pages, tables and pictures, and what holds the software against other things."""
