"""From finished and running runs to an answer: read them, group them, draw and tabulate them."""
