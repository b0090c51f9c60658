"""Two services to watch, and a load that gives them life; no part of the installed package."""
