"""A Slack-like workspace on loopback: the demo's chat window, and the Slack the tests run against."""
