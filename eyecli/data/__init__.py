"""Index tables, splits, the leak audit, arrays on disk, loaders."""
