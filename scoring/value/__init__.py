"""What an account is still worth: revenue to expect from its contract, or from its purchases."""
