"""Review as a web page: server-rendered, driven by the same keys as the terminal, for people on this machine."""
