"""What they hold: credits in wallets, on a double-entry ledger."""
