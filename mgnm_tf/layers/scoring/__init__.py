"""From interests or a history to scores."""
