"""What to do about it: message templates and prompts as Markdown, parsed strictly."""
