"""The Think-Before-Draw toolkit: from raw talking-head clips to a publishable table."""

__version__ = "0.2.0"
