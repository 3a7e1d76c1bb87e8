"""What is trained: the experiment as a pytree, the table of options, the plan of steps."""
