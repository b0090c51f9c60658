"""The language models: tokens, n-grams, a transformer, their training and what they say."""
