"""The Think-Before-Draw toolkit: from raw talking-head clips to a publishable table."""

__version__ = "0.1.0"
