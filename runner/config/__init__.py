"""From a composed config to an experiment: keys, values and errors, before JAX is imported."""
