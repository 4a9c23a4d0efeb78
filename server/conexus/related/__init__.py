"""Relations of a place in the code to other code: pure over a snapshot."""
