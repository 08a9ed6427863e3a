"""Atten-Mixer, and the models that put it behind another encoder."""
