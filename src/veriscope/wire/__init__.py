"""Byte formats: framing, schemas and encoders of what arrives and leaves."""
