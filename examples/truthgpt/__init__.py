"""A language model service to watch: real models, small enough to be trained at the first start."""
