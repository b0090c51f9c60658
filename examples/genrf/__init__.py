"""A service that designs radio-frequency circuits with ngspice, made to be watched."""
