"""Rate limiting by the book."""
