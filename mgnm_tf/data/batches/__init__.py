"""From flat arrays to batches; all TensorFlow of the data is here."""
