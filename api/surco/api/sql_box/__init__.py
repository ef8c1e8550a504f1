"""SQL of strangers, answered by processes that can do nothing else and can be killed."""
