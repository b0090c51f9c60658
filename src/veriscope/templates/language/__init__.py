"""The language: text to a tree, and the tree carried out."""
