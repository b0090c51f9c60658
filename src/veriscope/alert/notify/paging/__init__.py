"""Receivers that wake whoever is on call."""
