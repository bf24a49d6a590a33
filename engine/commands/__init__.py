"""The verbs of the command line, one file each: a docstring, `arguments(parser)` and `run(args) -> exit code`."""
