"""TiMiRec, TiMiRec+ and ComiRec+, and the layers that only they have."""
