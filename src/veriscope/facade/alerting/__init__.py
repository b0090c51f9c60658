"""Alert conditions, who is told, and when."""
