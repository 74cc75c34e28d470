"""Data made by the package itself: always marked as synthetic, with its provenance."""
