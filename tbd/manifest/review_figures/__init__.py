"""What the reviews of a manifest say in figures: agreement between reviewers, and how good the gates are."""
