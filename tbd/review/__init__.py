"""Review: people check the flagged prompts, several at once, and no decision is lost."""
