"""Weights in other libraries' layouts, read into our checkpoints and written from them; imports no Paddle."""
