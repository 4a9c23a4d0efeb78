"""Conexus finds code by meaning. Importing this package loads nothing heavy."""

__version__ = "0.1.0"

#: What ``conexus --version`` prints. Editors know this program by it: other programs are called ``conexus``, too.
IDENTITY = f"conexus {__version__} (Conexus language server)"
