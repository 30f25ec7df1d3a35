"""Who prefers which of two answers: references, a model, a service, people; how far to trust it."""
