"""How good are both models, on pictures, pairs and clips that nobody tuned them on."""
