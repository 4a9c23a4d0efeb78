"""Bytes that a stranger may have written, given to everything that reads such bytes. `make fuzz` does so for long."""
