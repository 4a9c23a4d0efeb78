"""LanceDB: the tables of an index, the process that they live in, and the search of their indices."""
