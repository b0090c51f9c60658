"""Email: messages, and the mail servers that take them."""
