"""SASRec and the layer that only it has."""
