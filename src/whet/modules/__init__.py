"""Ways to use a model: `Module`, `Predict`, `ChainOfThought` and what is made of them."""
