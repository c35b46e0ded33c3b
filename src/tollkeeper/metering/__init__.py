"""What they used: events recorded once, for ever, and rolled up by the hour."""
