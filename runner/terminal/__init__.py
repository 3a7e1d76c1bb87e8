"""What the terminal shows: live lines, tables, and messages while something takes long."""
