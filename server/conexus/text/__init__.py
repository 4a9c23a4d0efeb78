"""Text as editors see it: positions, line differences and the place of a name. Pure."""
