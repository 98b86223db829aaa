"""An HTTP service for one model."""
