"""The model's configuration; imports no Paddle."""
