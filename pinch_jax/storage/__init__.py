"""Files, here and in buckets: written whole, read with checks; what a hub keeps."""
