"""Many machines through Ray: joining a cluster, and workers on it. Ray is imported when a cluster is asked for."""
