"""Flat NumPy arrays: mapped from files, of rows with different lengths, of strings, of half precision."""
