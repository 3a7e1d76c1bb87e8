"""Attacks on the runner, and what must hold in each of them; `make torture`."""
