"""Child processes: how they are started and ended, worker processes, and the memory of a process."""
