"""Many runs side by side: planned, made, compared."""
