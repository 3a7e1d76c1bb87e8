"""What the terminal shows: live lines, tables, and words of patience."""
