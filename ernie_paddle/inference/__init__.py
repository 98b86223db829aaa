"""Export of fine-tuned models, and prediction with exported ones."""
