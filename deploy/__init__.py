"""How Veriscope and what it watches are put into service."""
