"""The options: one module or package for each config group, named as the group."""
