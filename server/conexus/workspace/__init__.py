"""The world outside: folders, files, ignore rules, open documents, file events. Nothing raises for what it holds."""
