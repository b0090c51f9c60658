"""Binary operators and aggregations on whole vectors."""
