"""What else happened: evidence for alerts, gathered when they fire."""
