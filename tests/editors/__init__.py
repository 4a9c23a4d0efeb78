"""The real editors over the real server: `make test-editors`."""
