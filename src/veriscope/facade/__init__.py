"""The documents' own classes, backed by the rooms below; import them from `veriscope`."""
