"""What templates call: the functions of Go, Prometheus and Alertmanager."""
