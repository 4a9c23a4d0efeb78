"""A folder's index on disk: segment files, their manifest, LanceDB's tables and the writer's lock."""
