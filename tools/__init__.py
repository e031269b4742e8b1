"""What looks at the software from outside: its imports, its drawing."""
