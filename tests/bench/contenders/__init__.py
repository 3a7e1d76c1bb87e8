"""One module for each tool, with a function `prepare(workload)`.

`prepare` does everything that happens once: imports, compilation, loading data. It returns a
function that trains for a given number of steps and returns the seconds that they took.
"""
