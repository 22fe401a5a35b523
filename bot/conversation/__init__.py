"""What the model is given of what was said."""
