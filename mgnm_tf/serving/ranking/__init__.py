"""From requests to interests, and from interests to the best items."""
