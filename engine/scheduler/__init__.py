"""The queue: who starts when, and how a run is stopped.

queue       the runs with a declaration and no worker yet, in the order of data/queue.json
slot        room for a run: as many cores as it has threads, or one GPU
supervisor  the one process on duty: starts runs, writes down how workers ended
executor    starts workers somewhere, with four verbs: submit, status, stop, logs
order       stop, hold, resume or delete, given as a file in the run's folder
urgency     how a worker is stopped: asked, terminated, killed
estimate    seconds a run will take, from earlier runs of its size; never a guess
arm         one declaration of a sweep as it is found: with a run that exists, or new
own run     of a sweep: one that it made; the others were there before, and its orders leave them alone
completion  making the runs of a sweep whose maker was killed
preview     what a sweep comes to, in sentences, before anything is written
"""
