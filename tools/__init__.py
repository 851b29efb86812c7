"""The verbs: every use case is a plain typed function `f(ctx, …)`, called by all surfaces alike."""
