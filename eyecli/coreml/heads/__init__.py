"""Users' heads as Core ML models."""
