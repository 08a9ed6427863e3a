"""From a history to several interests."""
