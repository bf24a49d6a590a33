"""All runs in DuckDB: reading logs into tables, answering questions.

owner     the one process that writes the index of a data folder; every other one is a reader with an index in memory
pass      one look at all runs that have not ended, written in one transaction
follower  what has been read of one run, and where to read on
id        an integer for a run or a series; it never leaves the index
store     the questions that pages, routes and commands ask
bucket    a stretch of steps of which a drawn series keeps minimum and maximum
listener  whoever is told after each pass what is new
sorted    of a run that has ended: its rows lie in the order of metric and step, and are exported to Parquet
"""
