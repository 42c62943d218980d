"""Methods of compression: each changes the units of a ``sw.model.Network``, and the last makes integers of it."""
