"""The static site: what is gathered for it, its pages, charts and pictures, and how they are checked and served."""
