"""What is wrong with training data, line by line, and the same data without it."""
