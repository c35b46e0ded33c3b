"""Who buys: customers, identified by our id or the provider's own."""
