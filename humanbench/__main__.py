"""`python -m humanbench` is the command line."""

from humanbench.cli import main

if __name__ == "__main__":
    main(prog_name="humanbench")
