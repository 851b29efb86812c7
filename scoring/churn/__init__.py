"""The forecast of who leaves: how well it foretold the accounts that left."""
