"""The user study: a balanced design, a page where people rate, and MOS with what belongs beside it."""
