"""Go's text templates: what rules and notifications are written in."""
