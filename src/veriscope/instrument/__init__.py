"""
The host process: what a program says of itself.

Import the parts by their own names (`veriscope.instrument.delivery`, `…tracing`, …): each loads
only what it needs.
"""
