"""Recipes: everything that a training is made of but data, seed and device."""
