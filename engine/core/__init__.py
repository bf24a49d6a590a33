"""Files, locks, devices, names: what every process needs.

root        the folder that holds engine/, kernels/ and pages/; data/ lies in it unless FAULTLINE_DATA names another
catalog     the files of one kind (probes, charts, …) over all topics; a file's name is its entry's name
code key    a hash of engine/ and kernels/ with the versions of Python and torch; what is computed from code is kept under it
lock        a file locked by the kernel for as long as a process lives; its text names the holder
sources     the files that decide a training's numbers, and a hash of them that prose and formatting do not move
stale       code in memory that differs from the code on disk
child       work of others in a fork of this process, with limits; it ends in an answer or in a sentence
left out    a file of labs that does harm when it is imported: importing it is an ordinary error with one sentence
non-finite  NaN, Infinity, -Infinity: in JSON these three words
"""
