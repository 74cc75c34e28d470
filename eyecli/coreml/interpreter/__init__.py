"""The parity interpreter: a saved `.mlpackage` executed in NumPy."""

from eyecli.coreml.interpreter.program import before_activation, load, run

__all__ = ["before_activation", "load", "run"]
