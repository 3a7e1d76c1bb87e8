"""What is trained: the experiment as a pytree, the table of its options, its plan of steps."""
