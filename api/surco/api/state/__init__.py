"""What a server remembers beside the store: API keys, the audit log, quotas, labels, who made which adapter."""
