"""sentence-transformers models: the process of a model, its files, and the cache of its vectors."""
