"""What the scenarios share: a server and its client, workspaces, edits, comparisons, measures, tables."""
