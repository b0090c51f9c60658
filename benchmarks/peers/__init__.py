"""Veriscope beside Prometheus and VictoriaMetrics: the same data, the same questions, one run."""
