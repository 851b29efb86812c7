"""The surfaces: Slack, the agent, the schedule, delivery, the local workspace, the command line."""
