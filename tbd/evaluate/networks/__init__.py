"""The published networks that metrics look through, in the layouts of their published weights."""
