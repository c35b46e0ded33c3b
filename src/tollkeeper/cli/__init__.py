"""Face: the `tollkeeper` command."""
