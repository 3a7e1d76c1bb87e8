"""A page to share: a comparison as one HTML file, with curves that can be zoomed and filtered."""
