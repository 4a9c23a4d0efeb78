"""Embedding models: the Embedder protocol, the shipped static model, sentence-transformers in a process of its own."""
