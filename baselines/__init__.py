"""Published models that MGNM is compared with; each keeps its contract."""
