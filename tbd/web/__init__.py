"""What every page served by tbd stands on: who may ask, what a browser posts, templates, a socket that listens."""
