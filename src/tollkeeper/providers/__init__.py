"""Who sells: provider domains, access tokens, the audit trail."""
