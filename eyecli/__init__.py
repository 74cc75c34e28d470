"""From raw eye data to a verified Core ML package, one shell command per stage."""

__version__ = "0.1.0"
