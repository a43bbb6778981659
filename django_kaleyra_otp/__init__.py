"""One-time codes by SMS through kaleyra.io, every SMS followed to the handset."""

__version__ = "0.1.0"
