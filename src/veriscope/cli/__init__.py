"""The terminal: every command of `veriscope`."""
