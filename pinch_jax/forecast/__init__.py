"""What a config needs on devices that are not there: memory, time and money (`pinch plan`)."""
