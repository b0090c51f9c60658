"""Native histograms in PromQL: arithmetic, windows, functions and answers, on whole columns."""
