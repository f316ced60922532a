"""A small dataset of people who do not exist, drawn and voiced by action units."""
