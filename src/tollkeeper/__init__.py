"""Tollkeeper: who may call, how much was used, what is owed, in agreement to the cent."""

__version__ = "0.1.0"
