"""The verbs of the command line, one file each: a docstring, `arguments(parser)` and `run(args) -> exit code`.

verb       the first word after `python -m engine`: the name of a file here
document   the one JSON value that a verb prints with --json; without it, lines for a person
refusal    what was asked cannot be done: an exit code and one sentence
exit code  0 answered, 2 bad usage, 3 failed, 4 diverged, 5 not found, 6 stopped
"""
