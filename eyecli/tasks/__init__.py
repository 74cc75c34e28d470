"""The eye tasks: what differs between them; the stages are written once, elsewhere."""
