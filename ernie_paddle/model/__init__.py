"""The model's configuration and files. Imports no Paddle."""
