"""HTML that templates write: what stands where, and how a value is escaped for its place."""
