"""The command line: parse, call, print. No logic here, and nothing heavy at import."""
