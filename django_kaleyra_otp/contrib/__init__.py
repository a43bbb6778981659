"""Plugs for packages that a project may have; each is imported only by who uses it."""
