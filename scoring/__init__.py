"""What the data mean: pure functions from facts to scores with reasons; no clock, database or network."""
