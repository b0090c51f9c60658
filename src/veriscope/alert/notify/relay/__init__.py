"""Receivers that are programs, and hand alerts on."""
