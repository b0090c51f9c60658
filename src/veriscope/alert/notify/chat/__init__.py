"""Receivers that write into a conversation."""
