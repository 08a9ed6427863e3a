"""SASRec, TiSASRec and the layers that only they have."""
