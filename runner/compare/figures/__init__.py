"""One kind of figure a module; all of them return editable matplotlib figures."""
