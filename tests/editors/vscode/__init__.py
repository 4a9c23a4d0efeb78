"""A real VS Code: its installation and its workbench in a browser."""
