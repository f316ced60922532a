"""From a folder of clips to a manifest: layouts, the chain, FACS, gates, backends, the journal."""
