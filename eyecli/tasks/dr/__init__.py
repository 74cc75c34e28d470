"""Diabetic retinopathy in photographs of the fundus: its grade."""
