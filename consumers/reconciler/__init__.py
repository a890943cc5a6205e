"""Facts in, documents out: decides what every event and change means, and rings for what became due."""
