"""One module a tool. Each has `prepare(workload)`, which returns a function of a number of steps.

That function trains for so many steps and returns how many seconds they took. Everything that
happens once (imports, compilation, loading data) is done in `prepare`.
"""
