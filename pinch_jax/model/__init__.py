"""The decoder: described by data, pure at its border, blind to devices."""
